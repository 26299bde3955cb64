import { isObjectIdOrHexString } from 'mongoose';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { Context } from '../../../framework/context.js';
import type { Acquaintances, Integration } from '../../../framework/integration.js';
import { createCoalescer } from '../../../platform/coalescer.js';
import { rooms } from '../../../realtime/rooms.js';
import type { GatewaySocket } from '../../../sockets/socket.js';
import type { Blocks } from '../../users/index.js';

/** People of whom one client is told at most; those of the newest conversations come first. */
const ACQUAINTANCES_MAX = 5000;
/** How often one user's sockets are told who is online, on connecting: each time many people are read. */
const SNAPSHOTS = { points: 100, windowMs: 10_000 };
/** Of several changes of one user within this time the last state is sent. */
const WINDOW_MS = 1000;
/** Users whom the presence store is asked about at once. */
const CHUNK = 500;

type PresenceEvent = 'user_online' | 'user_offline';

type Known = Acquaintances & { readonly blocked: ReadonlySet<string> };

/** Tells people who share something that one of them comes and goes. */
export function createChatPresence(
  { emitter, presence, models, clock, logger, limiter, work }: Context,
  blocks: Blocks,
  sources: readonly Integration[],
) {
  const coalescer = createCoalescer({ clock, windowMs: WINDOW_MS });

  const reading = new Map<string, Promise<Known>>();

  /** All users with whom the user shares something in one of the chats. */
  const readAcquaintances = async (userId: string): Promise<Known> => {
    const [blocked, ...found] = await Promise.all([
      blocks.of(userId),
      ...sources.map(({ acquaintancesOf }) => acquaintancesOf?.(userId)),
    ]);
    const userIds = new Set(found.flatMap((some) => some?.userIds ?? []));
    userIds.delete(userId);
    const heard = [...userIds].filter((id) => !blocked.has(id)).slice(0, ACQUAINTANCES_MAX);
    return { userIds: heard, rooms: found.flatMap((some) => some?.rooms ?? []), blocked };
  };

  /** Concurrent calls for one user share one read. */
  const acquaintancesOf = (userId: string): Promise<Known> => {
    const read = reading.get(userId) ?? readAcquaintances(userId).finally(() => reading.delete(userId));
    reading.set(userId, read);
    return read;
  };

  const tell = async (userId: string, event: PresenceEvent): Promise<void> => {
    try {
      const { userIds, rooms: shared, blocked } = await acquaintancesOf(userId);
      emitter.emit(
        {
          namespaces: [chatNamespace],
          rooms: [...userIds.map(rooms.user), ...shared],
          exceptRoom: [userId, ...(shared.length === 0 ? [] : blocked)].map(rooms.user),
        },
        { event, payload: { userId } },
      );
    } catch (error) {
      logger.warn({ err: error, event }, 'chats: notifying of a presence failed');
    }
  };
  const tellState = async (userId: string): Promise<void> => {
    try {
      const [found] = await presence.get([userId]);
      await tell(userId, found?.online === true ? 'user_online' : 'user_offline');
    } catch (error) {
      logger.warn({ err: error }, 'chats: notifying of a presence failed');
    }
  };
  const announce = (userId: string, event: PresenceEvent): Promise<void> =>
    coalescer.offer(userId, { now: () => tell(userId, event), later: () => tellState(userId) });

  const onlineAmong = async (userIds: readonly string[]): Promise<string[]> => {
    const online: string[] = [];
    for (let start = 0; start < userIds.length; start += CHUNK) {
      const found = await presence.get(userIds.slice(start, start + CHUNK));
      online.push(...found.filter((one) => one.online).map((one) => one.userId));
    }
    return online;
  };

  return {
    /** A socket has come. Others are told if it is the user's first; one on `/` is told who is there already. */
    async present(socket: GatewaySocket, isFirst: boolean): Promise<void> {
      const { principal } = socket.data;
      const isInChats = socket.nsp.name === chatNamespace;
      if (principal.kind !== 'user' || !isUserOfChats(principal.userId) || !(isFirst || isInChats)) return;
      if (isFirst) void announce(principal.userId, 'user_online');
      if (!isInChats) return;
      try {
        await limiter.consume('presence:snapshot', `user:${principal.userId}`, SNAPSHOTS);
        const { userIds } = await acquaintancesOf(principal.userId);
        await work.pay(principal, { examined: userIds.length });
        socket.emit('presence_snapshot', { online: await onlineAmong(userIds) });
      } catch (error) {
        logger.warn({ err: error }, 'chats: sending the presence snapshot failed');
      }
    },

    async offline(userId: string): Promise<void> {
      if (!isUserOfChats(userId)) return;
      await models.User.updateOne({ _id: userId }, { lastSeen: new Date(clock.now()) }, { timestamps: false });
      await announce(userId, 'user_offline');
    },

    /** Sends what is due. */
    flush: coalescer.flush,
  };
}

/** Ids are opaque to the gateway; a user without an ObjectId is in no chat. */
const isUserOfChats = (userId: string): boolean => isObjectIdOrHexString(userId);
