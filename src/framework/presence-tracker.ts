import { createBatcher } from '../platform/concurrency/batcher.js';
import { createTaskTracker } from '../platform/concurrency/task-tracker.js';
import type { Logger } from '../platform/logging/logger.js';
import type { PresenceEntry, PresenceStore } from '../realtime/presence/index.js';
import type { SocketDirectory } from '../realtime/presence/socket-directory.js';
import type { GatewaySocket, SocketListener } from '../sockets/socket.js';
import type { Integration, PresentUser } from './integration.js';

/** Changes that integrations are notified of together, and the time between two such batches. */
const BATCH_MAX = 1000;
const SPACING = { spacingMs: 100, crowdedSpacingMs: 250 };

/** A socket was registered, or a user came online or went offline. `isOnline` absent: as before. */
interface Change {
  readonly user: PresentUser;
  readonly socket?: GatewaySocket;
  readonly isOnline?: boolean;
}

interface Dependencies {
  presence: PresenceStore;
  sockets: SocketDirectory;
  integrations: readonly Integration[];
  logger: Logger;
}

/** Registers the sockets of users in the presence store, and notifies the integrations of changes. */
export interface PresenceTracker extends SocketListener {
  /** Starts the presence store. */
  start(): Promise<void>;
  /** Stops the presence store. Resolves when the integrations have handled all changes. */
  stop(): Promise<void>;
}

/**
 * Changes are passed on in batches, so that the integrations can gather their queries: when a thousand clients come back they
 * ask the database a few times and not some thousand times. Changes of one user keep their order.
 */
export function createPresenceTracker({ presence, sockets, integrations, logger }: Dependencies): PresenceTracker {
  const tasks = createTaskTracker((error) => logger.error({ err: error }, 'presence: updating failed; retrying'));
  const reportHandler = (error: unknown): void => logger.error({ err: error }, 'presence: handling a change failed');

  const onSocketsPresent = integrations.flatMap((one) => one.onSocketsPresent ?? []);
  const onUsersOnline = integrations.flatMap((one) => one.onUsersOnline ?? []);
  const onUsersOffline = integrations.flatMap((one) => one.onUsersOffline ?? []);

  const notify = <Item>(handlers: readonly ((items: readonly Item[]) => Promise<void>)[], items: readonly Item[]) =>
    items.length === 0 ? [] : handlers.map((handle) => handle(items).catch(reportHandler));
  const usersOf = (changes: readonly Change[], isOnline: boolean): PresentUser[] =>
    changes.filter((change) => change.isOnline === isOnline).map(({ user }) => user);

  const handle = (changes: readonly Change[]): Promise<unknown> =>
    Promise.all([
      ...notify(
        onSocketsPresent,
        changes.flatMap(({ socket }) => socket ?? []),
      ),
      ...notify(onUsersOnline, usersOf(changes, true)),
      ...notify(onUsersOffline, usersOf(changes, false)),
    ]);
  const passOn = createBatcher<Change, void>(
    async (changes) => {
      for (const some of inOrder(changes)) await handle(some);
      return changes.map(() => undefined);
    },
    { sizeMax: BATCH_MAX, ...SPACING },
  );

  const add = async (socket: GatewaySocket, entry: PresenceEntry): Promise<void> => {
    const { isFirst } = await presence.add(entry);
    await passOn({ user: entry, socket, ...(isFirst && { isOnline: true }) });
  };

  return {
    connected(socket) {
      const entry = toEntry(socket);
      if (entry !== undefined) tasks.run(add(socket, entry));
    },
    disconnected(socket) {
      const entry = toEntry(socket);
      if (entry === undefined) return;
      tasks.run(presence.remove(entry));
      tasks.run(sockets.leave(entry.userId, entry.socketId));
    },
    async start() {
      const { isAlone } = await presence.start({
        online: (user) => tasks.run(passOn({ user, isOnline: true })),
        offline: (user) => tasks.run(passOn({ user, isOnline: false })),
        lost: (lost) => tasks.run(sockets.forget(lost)),
        restored: (restored) => tasks.run(sockets.restore(restored)),
      });
      if (isAlone) await sockets.clear();
    },
    async stop() {
      await presence.stop();
      await tasks.ended();
    },
  };
}

/** Parts of a list of changes, each with either the sockets or the absence of a user but not both. */
function* inOrder(changes: readonly Change[]): Generator<readonly Change[]> {
  let part: Change[] = [];
  let isPresent = new Map<string, boolean>();
  for (const change of changes) {
    const { userId } = change.user;
    const has = change.isOnline !== false;
    if ((isPresent.get(userId) ?? has) !== has) {
      yield part;
      [part, isPresent] = [[], new Map()];
    }
    isPresent.set(userId, has);
    part.push(change);
  }
  yield part;
}

function toEntry({ id, nsp, data }: GatewaySocket): PresenceEntry | undefined {
  const { principal, connectedAt, deviceId } = data;
  if (principal.kind !== 'user') return undefined;
  const { userId, accountId } = principal;
  return { userId, accountId, socketId: id, connectedAt, place: { namespace: nsp.name, deviceId } };
}
