import { isObjectIdOrHexString } from 'mongoose';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { Context } from '../../../framework/context.js';
import type { Contacts, Integration, PresentUser } from '../../../framework/integration.js';
import { createBatcher, createGroupLoader } from '../../../platform/concurrency/batcher.js';
import { createCoalescer } from '../../../platform/concurrency/coalescer.js';
import { sendPresence } from '../../../realtime/presence/notify.js';
import { rooms } from '../../../realtime/rooms.js';
import type { GatewaySocket } from '../../../sockets/socket.js';
import { NO_USERS } from '../../users/index.js';
import type { ChatServices } from './services.js';

/** Maximum number of contacts of a user; those of the last conversations come first. */
const CONTACTS_MAX = 5000;
/** Within this time only the last of several changes of a user is sent. */
const WINDOW_MS = 1000;
/** Users whose contacts are read together. */
const GROUP_MAX = 1000;
/** Snapshots and changes that are sent together. */
const NOTICES_MAX = 200;

type Known = Contacts & { readonly blocked: ReadonlySet<string> };

/** A change of a user, for those who hear of it. */
interface Change extends Known {
  readonly userId: string;
  readonly isOnline: boolean;
}

/** Which of some users are online, for a socket that has just connected. */
interface Snapshot {
  readonly socket: GatewaySocket;
  readonly userIds: readonly string[];
}

type Notice = Snapshot | Change;

/** Sends the presence of users to their contacts. */
export function createChatPresence(
  { emitter, presence, clock, logger }: Pick<Context, 'emitter' | 'presence' | 'clock' | 'logger'>,
  { blocks, isWatched, noteSeen, snapshots }: Pick<ChatServices, 'blocks' | 'isWatched' | 'noteSeen' | 'snapshots'>,
  sources: readonly Integration[],
) {
  const coalescer = createCoalescer({ clock, windowMs: WINDOW_MS });

  /** The contacts of users in all chats. Calls in one event loop iteration share a read. */
  const readContacts = createGroupLoader<Known>(async (ids) => {
    const [users, ...found] = await Promise.all([
      blocks.withUsers(ids),
      ...sources.map(({ contactsOf }) => contactsOf?.(ids)),
    ]);
    return new Map(
      ids.map((id) => {
        const own = found.flatMap((some) => some?.get(id) ?? []);
        const blocked = users.get(id)?.blocked ?? NO_USERS;
        const userIds = new Set(own.flatMap((some) => some.userIds));
        userIds.delete(id);
        const heard = [...userIds].filter((contact) => !blocked.has(contact)).slice(0, CONTACTS_MAX);
        return [id, { userIds: heard, rooms: own.flatMap((some) => some.rooms), blocked }];
      }),
    );
  }, GROUP_MAX);
  const contactsOf = async (userId: string): Promise<Known> => {
    const id = userId.toLowerCase();
    return (await readContacts([id])).get(id) ?? NO_CONTACTS;
  };

  const emit = ({ userId, isOnline, userIds, rooms: shared, blocked }: Change): void => {
    emitter.emit(
      {
        namespaces: [chatNamespace],
        rooms: [...userIds.map(rooms.user), ...shared],
        exceptRoom: [userId, ...(shared.length === 0 ? [] : blocked)].map(rooms.user),
      },
      { event: isOnline ? 'user_online' : 'user_offline', payload: { userId } },
    );
  };
  const reportSnapshot = (error: unknown): void =>
    logger.warn({ err: error }, 'chats: sending the presence snapshot failed');
  /** @returns sends them; does nothing when they could not be read */
  const readSnapshots = async (read: readonly Snapshot[]): Promise<() => void> => {
    if (read.length === 0) return () => undefined;
    try {
      // As the events have it: of a user within the grace time an event follows only if they stay away.
      const present = await presence.presentAmong([...new Set(read.flatMap(({ userIds }) => userIds))]);
      return () => {
        for (const { socket, userIds } of read) {
          socket.emit('presence_snapshot', { online: userIds.filter((id) => present.has(id)) });
        }
      };
    } catch (error) {
      reportSnapshot(error);
      return () => undefined;
    }
  };
  /**
   * Users who connect together have contacts in common: what a client gets in one event loop iteration is one write, with its own
   * snapshot before the changes.
   */
  const send = createBatcher<Notice, void>(async (notices) => {
    const sendSnapshots = await readSnapshots(notices.filter((notice) => 'socket' in notice));
    emitter.together(() => {
      sendSnapshots();
      for (const notice of notices) if ('isOnline' in notice) emit(notice);
    });
    return notices.map(() => undefined);
  }, NOTICES_MAX);

  /** @returns whether a contact may hear it */
  const publish = async (userId: string, isOnline: boolean): Promise<boolean> => {
    const known = await contactsOf(userId);
    if (known.userIds.length === 0 && known.rooms.length === 0) return false;
    await send({ ...known, userId, isOnline });
    return true;
  };
  const publishState = async (userId: string, state: { readonly isOnline?: boolean }): Promise<void> => {
    try {
      await sendPresence(presence, { userId, ...state, send: (isOnline) => publish(userId, isOnline) });
    } catch (error) {
      logger.warn({ err: error }, 'chats: sending a presence event failed');
    }
  };
  const announce = (userId: string, isOnline: boolean): Promise<void> =>
    coalescer.offer(userId, {
      now: () => publishState(userId, { isOnline }),
      later: async () => {
        if (await isWatched()) await publishState(userId, {});
      },
    });
  /** Notifies the contacts of users, if any could be there. */
  const announceAll = async (userIds: readonly string[], isOnline: boolean): Promise<void> => {
    if (userIds.length === 0 || !(await isWatched())) return;
    await Promise.all(userIds.map((userId) => announce(userId, isOnline)));
  };

  const sendSnapshot = async (socket: GatewaySocket, turn: Promise<unknown>): Promise<void> => {
    const { principal } = socket.data;
    if (principal.kind !== 'user' || !isUserOfChats(principal.userId)) return;
    try {
      await Promise.all([snapshots.begin(principal), turn]);
      const { userIds } = await contactsOf(principal.userId);
      await snapshots.pay(principal, userIds.length);
      await send({ socket, userIds });
    } catch (error) {
      reportSnapshot(error);
    }
  };

  return {
    /** Sockets have connected. Those on `/` get a snapshot. */
    async present(sockets: readonly GatewaySocket[]): Promise<void> {
      const entered = sockets.filter(({ nsp }) => nsp.name === chatNamespace);
      if (entered.length === 0) return;
      // Awaited like `online`, so both continue in the same event loop iteration, and users who connect together share queries.
      const turn = isWatched();
      await Promise.all(entered.map((socket) => sendSnapshot(socket, turn)));
    },

    /** Notifies contacts. */
    async online(users: readonly PresentUser[]): Promise<void> {
      void announceAll(idsOf(users), true);
    },

    async offline(users: readonly PresentUser[]): Promise<void> {
      const userIds = idsOf(users);
      await noteSeen(userIds);
      await announceAll(userIds, false);
    },

    /** Sends all pending events. */
    flush: coalescer.flush,
  };
}

const NO_CONTACTS: Known = { userIds: [], rooms: [], blocked: NO_USERS };

/** User ids are opaque; a user whose id is no ObjectId is in no chat. */
const isUserOfChats = (userId: string): boolean => isObjectIdOrHexString(userId);

const idsOf = (users: readonly PresentUser[]): string[] => users.map(({ userId }) => userId).filter(isUserOfChats);
