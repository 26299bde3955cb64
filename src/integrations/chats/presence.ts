import { isObjectIdOrHexString } from 'mongoose';
import type { Context } from '../../realtime/context.js';
import type { Acquaintances, Integration } from '../../realtime/integration.js';
import { chatNamespace } from '../../realtime/namespaces.js';
import { rooms } from '../../realtime/rooms.js';
import type { GatewaySocket } from '../../transport/dispatch.js';

/** People of whom one client is told at most; those of the newest conversations come first. */
const ACQUAINTANCES_MAX = 5000;
/** Users whom the presence store is asked about at once. */
const CHUNK = 500;

/** Tells people who share something that one of them comes and goes. */
export function createChatPresence(
  { emitter, presence, models, clock, logger }: Context,
  sources: readonly Integration[],
) {
  /** Everybody with whom the user shares something in one of the chats. */
  const acquaintancesOf = async (userId: string): Promise<Acquaintances> => {
    const found = await Promise.all(sources.map(({ acquaintancesOf }) => acquaintancesOf?.(userId)));
    const userIds = new Set(found.flatMap((some) => some?.userIds ?? []));
    userIds.delete(userId);
    return { userIds: [...userIds].slice(0, ACQUAINTANCES_MAX), rooms: found.flatMap((some) => some?.rooms ?? []) };
  };

  const tell = async (userId: string, event: 'user_online' | 'user_offline'): Promise<void> => {
    const { userIds, rooms: shared } = await acquaintancesOf(userId);
    emitter.emit(
      { namespaces: [chatNamespace], rooms: [...userIds.map(rooms.user), ...shared], exceptRoom: rooms.user(userId) },
      { event, payload: { userId } },
    );
  };

  const onlineAmong = async (userIds: readonly string[]): Promise<string[]> => {
    const online: string[] = [];
    for (let start = 0; start < userIds.length; start += CHUNK) {
      const found = await presence.get(userIds.slice(start, start + CHUNK));
      online.push(...found.filter((one) => one.online).map((one) => one.userId));
    }
    return online;
  };

  return {
    async online(userId: string): Promise<void> {
      if (isUserOfChats(userId)) await tell(userId, 'user_online');
    },

    async offline(userId: string): Promise<void> {
      if (!isUserOfChats(userId)) return;
      await models.User.updateOne({ _id: userId }, { lastSeen: new Date(clock.now()) }, { timestamps: false });
      await tell(userId, 'user_offline');
    },

    /** Tells a socket that has just come who is there already. */
    async snapshot(socket: GatewaySocket, userId: string): Promise<void> {
      try {
        const { userIds } = await acquaintancesOf(userId);
        socket.emit('presence_snapshot', { online: await onlineAmong(userIds) });
      } catch (error) {
        logger.warn({ err: error }, 'chats: a client was not told who is online');
      }
    },
  };
}

/** Ids are opaque to the gateway; somebody with one of another kind is on other namespaces, and in no chat. */
const isUserOfChats = (userId: string): boolean => isObjectIdOrHexString(userId);
