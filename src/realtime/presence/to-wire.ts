import type { RegisteredSocket } from './index.js';

/** A connection in the format of the contract. */
export const toConnection = ({ socketId, node, place, connectedAt }: RegisteredSocket) => ({
  socketId,
  node,
  namespace: place?.namespace ?? '',
  deviceId: place?.deviceId ?? '',
  connectedAt: new Date(connectedAt).toISOString(),
});
