import type { DeliveryReport } from '../../realtime/delivery/diagnostics/index.js';
import { toDevice } from '../../realtime/delivery/diagnostics/to-wire.js';

/** Delivery diagnostics of a user in wire format. @param keptForMs how long a finished message is kept */
export const toDeliveries = ({ messages, devices, next }: DeliveryReport, keptForMs: number) => ({
  messages: messages.map(({ id, event, entry, state, outcomes }) => ({
    id,
    event,
    namespace: entry.namespace,
    createdAt: entry.createdAt.toISOString(),
    requestId: entry.requestId ?? null,
    state,
    devices: outcomes.map(({ deviceId, state: own, at, reason }) => ({
      deviceId,
      state: own,
      at: at?.toISOString() ?? null,
      reason,
    })),
  })),
  devices: devices.map(toDevice),
  next: next === null ? null : String(next),
  keptForMs,
});
