import { isObjectIdOrHexString } from 'mongoose';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { Context } from '../../../framework/context.js';
import type { Contacts, Integration } from '../../../framework/integration.js';
import { createCoalescer } from '../../../platform/coalescer.js';
import { rooms } from '../../../realtime/rooms.js';
import type { GatewaySocket } from '../../../sockets/socket.js';
import type { ChatServices } from './index.js';

/** Maximum number of contacts of a user; those of the last conversations come first. */
const CONTACTS_MAX = 5000;
/** Within this time only the last of several changes of a user is sent. */
const WINDOW_MS = 1000;
/** Users in one query of the presence store. */
const CHUNK = 500;

type PresenceEvent = 'user_online' | 'user_offline';

type Known = Contacts & { readonly blocked: ReadonlySet<string> };

/** Sends the presence of users to their contacts. */
export function createChatPresence(
  { emitter, presence, clock, logger }: Context,
  { blocks, isWatched, noteSeen, snapshots }: Pick<ChatServices, 'blocks' | 'isWatched' | 'noteSeen' | 'snapshots'>,
  sources: readonly Integration[],
) {
  const coalescer = createCoalescer({ clock, windowMs: WINDOW_MS });

  const reading = new Map<string, Promise<Known>>();

  /** The contacts of a user in all chats. */
  const readAcquaintances = async (userId: string): Promise<Known> => {
    const [blocked, ...found] = await Promise.all([
      blocks.of(userId),
      ...sources.map(({ contactsOf }) => contactsOf?.(userId)),
    ]);
    const userIds = new Set(found.flatMap((some) => some?.userIds ?? []));
    userIds.delete(userId);
    const heard = [...userIds].filter((id) => !blocked.has(id)).slice(0, CONTACTS_MAX);
    return { userIds: heard, rooms: found.flatMap((some) => some?.rooms ?? []), blocked };
  };

  /** Concurrent calls for one user share one read. */
  const contactsOf = (userId: string): Promise<Known> => {
    const read = reading.get(userId) ?? readAcquaintances(userId).finally(() => reading.delete(userId));
    reading.set(userId, read);
    return read;
  };

  const publish = async (userId: string, event: PresenceEvent): Promise<void> => {
    try {
      if (!(await isWatched())) return;
      const { userIds, rooms: shared, blocked } = await contactsOf(userId);
      emitter.emit(
        {
          namespaces: [chatNamespace],
          rooms: [...userIds.map(rooms.user), ...shared],
          exceptRoom: [userId, ...(shared.length === 0 ? [] : blocked)].map(rooms.user),
        },
        { event, payload: { userId } },
      );
    } catch (error) {
      logger.warn({ err: error, name: event }, 'chats: sending a presence event failed');
    }
  };
  const publishState = async (userId: string): Promise<void> => {
    try {
      const [found] = await presence.get([userId]);
      await publish(userId, found?.online === true ? 'user_online' : 'user_offline');
    } catch (error) {
      logger.warn({ err: error }, 'chats: sending a presence event failed');
    }
  };
  const announce = (userId: string, event: PresenceEvent): Promise<void> =>
    coalescer.offer(userId, { now: () => publish(userId, event), later: () => publishState(userId) });

  const onlineAmong = async (userIds: readonly string[]): Promise<string[]> => {
    const online: string[] = [];
    for (let start = 0; start < userIds.length; start += CHUNK) {
      const found = await presence.get(userIds.slice(start, start + CHUNK));
      online.push(...found.filter((one) => one.online).map((one) => one.userId));
    }
    return online;
  };

  return {
    /** A socket has connected. Notifies contacts if it is the user's first. A socket on `/` gets a snapshot. */
    async present(socket: GatewaySocket, isFirst: boolean): Promise<void> {
      const { principal } = socket.data;
      const isInChats = socket.nsp.name === chatNamespace;
      if (principal.kind !== 'user' || !isUserOfChats(principal.userId) || !(isFirst || isInChats)) return;
      if (isFirst) void announce(principal.userId, 'user_online');
      if (!isInChats) return;
      try {
        await snapshots.begin(principal);
        // As above: so both go on in the same turn, and all who connect together share their queries.
        await isWatched();
        const { userIds } = await contactsOf(principal.userId);
        await snapshots.pay(principal, userIds.length);
        socket.emit('presence_snapshot', { online: await onlineAmong(userIds) });
      } catch (error) {
        logger.warn({ err: error }, 'chats: sending the presence snapshot failed');
      }
    },

    async offline(userId: string): Promise<void> {
      if (!isUserOfChats(userId)) return;
      await noteSeen(userId);
      await announce(userId, 'user_offline');
    },

    /** Sends all pending events. */
    flush: coalescer.flush,
  };
}

/** User ids are opaque; a user whose id is no ObjectId is in no chat. */
const isUserOfChats = (userId: string): boolean => isObjectIdOrHexString(userId);
