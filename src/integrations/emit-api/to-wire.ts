import type { Findings } from '../../realtime/delivery/inquiry.js';

/** Delivery diagnostics of a user in wire format. @param keptForMs how long a finished message is kept */
export const toDeliveries = ({ messages, devices, next }: Findings, keptForMs: number) => ({
  messages: messages.map(({ id, event, namespace, createdAt, state, fates }) => ({
    ...{ id, event, namespace, createdAt: createdAt.toISOString(), state },
    devices: fates.map(({ deviceId, state: own, at, reason }) => ({
      deviceId,
      state: own,
      at: at?.toISOString() ?? null,
      reason,
    })),
  })),
  devices: devices.map(({ deviceId, isConnected, namespaces, seenAt, waiting }) => ({
    ...{ deviceId, isConnected, namespaces: [...namespaces] },
    ...{ seenAt: seenAt.toISOString(), waiting },
  })),
  next: next === null ? null : String(next),
  keptForMs,
});
