import type { Logger } from '../platform/logger.js';
import type { PresenceEntry, PresenceStore } from '../realtime/presence/index.js';
import type { SocketDirectory } from '../realtime/presence/socket-directory.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';
import type { Integration } from './integration.js';

/** Registers the sockets of users in the presence store, and removes them on disconnect. */
export function createPresenceTracker(dependencies: {
  presence: PresenceStore;
  sockets: SocketDirectory;
  integrations: readonly Integration[];
  logger: Logger;
}): SocketListener {
  const { presence, sockets, integrations, logger } = dependencies;
  const report = (error: unknown): void => logger.error({ err: error }, 'updating presence failed');
  const add = async (socket: GatewaySocket, entry: PresenceEntry): Promise<void> => {
    const { isFirst } = await presence.add(entry);
    const { userId, accountId } = entry;
    await Promise.all(
      integrations.flatMap(({ onSocketPresent, onUserOnline }) => [
        onSocketPresent?.(socket, isFirst),
        isFirst ? onUserOnline?.({ userId, accountId }) : undefined,
      ]),
    );
  };
  return {
    connected(socket) {
      const entry = toEntry(socket);
      if (entry !== undefined) add(socket, entry).catch(report);
    },
    disconnected(socket) {
      const entry = toEntry(socket);
      if (entry === undefined) return;
      presence.remove(entry).catch(report);
      sockets.leave(entry.userId, entry.socketId).catch(report);
    },
  };
}

function toEntry({ id, nsp, data }: GatewaySocket): PresenceEntry | undefined {
  const { principal, connectedAt, deviceId } = data;
  if (principal.kind !== 'user') return undefined;
  const { userId, accountId } = principal;
  return { userId, accountId, socketId: id, connectedAt, place: { namespace: nsp.name, deviceId } };
}

/** Starts the presence store and forwards its changes to the integrations. */
export async function beginPresence(dependencies: {
  presence: PresenceStore;
  sockets: SocketDirectory;
  integrations: readonly Integration[];
  logger: Logger;
}): Promise<void> {
  const { presence, sockets, integrations, logger } = dependencies;
  const report = (error: unknown): void => logger.error({ err: error }, 'handling a presence change failed');
  const { isAlone } = await presence.start({
    offline: (user) => {
      for (const integration of integrations) integration.onUserOffline?.(user).catch(report);
    },
    lost: (lost) => void sockets.forget(lost).catch(report),
    restored: (restored) => void sockets.restore(restored).catch(report),
  });
  if (isAlone) await sockets.clear();
}
