import type { DeviceReport } from './index.js';

/** A device in the format of the contract. */
export const toDevice = ({ namespaces, seenAt, oldestAt, ...device }: DeviceReport) => ({
  ...device,
  namespaces: [...namespaces],
  seenAt: seenAt.toISOString(),
  oldestAt: oldestAt?.toISOString() ?? null,
});
