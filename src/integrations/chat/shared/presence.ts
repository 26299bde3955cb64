import { isObjectIdOrHexString } from 'mongoose';
import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { Context } from '../../../framework/context.js';
import type { Acquaintances, Integration } from '../../../framework/integration.js';
import { rooms } from '../../../realtime/rooms.js';
import type { GatewaySocket } from '../../../sockets/socket.js';
import type { Blocks } from '../../users/index.js';

/** People of whom one client is told at most; those of the newest conversations come first. */
const ACQUAINTANCES_MAX = 5000;
/** Users whom the presence store is asked about at once. */
const CHUNK = 500;

/** Tells people who share something that one of them comes and goes. */
export function createChatPresence(
  { emitter, presence, models, clock, logger }: Context,
  blocks: Blocks,
  sources: readonly Integration[],
) {
  /** All users with whom the user shares something in one of the chats. */
  const acquaintancesOf = async (userId: string): Promise<Acquaintances & { blocked: ReadonlySet<string> }> => {
    const [blocked, ...found] = await Promise.all([
      blocks.of(userId),
      ...sources.map(({ acquaintancesOf }) => acquaintancesOf?.(userId)),
    ]);
    const userIds = new Set(found.flatMap((some) => some?.userIds ?? []));
    userIds.delete(userId);
    const heard = [...userIds].filter((id) => !blocked.has(id)).slice(0, ACQUAINTANCES_MAX);
    return { userIds: heard, rooms: found.flatMap((some) => some?.rooms ?? []), blocked };
  };

  const tell = (
    { userIds, rooms: shared, blocked }: Acquaintances & { blocked: ReadonlySet<string> },
    userId: string,
    event: 'user_online' | 'user_offline',
  ): void => {
    emitter.emit(
      {
        namespaces: [chatNamespace],
        rooms: [...userIds.map(rooms.user), ...shared],
        exceptRoom: [userId, ...(shared.length === 0 ? [] : blocked)].map(rooms.user),
      },
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
    /** A socket has come. Others are told if it is the user's first; one on `/` is told who is there already. */
    async present(socket: GatewaySocket, isFirst: boolean): Promise<void> {
      const { principal } = socket.data;
      const isInChats = socket.nsp.name === chatNamespace;
      if (principal.kind !== 'user' || !isUserOfChats(principal.userId) || !(isFirst || isInChats)) return;
      try {
        const acquaintances = await acquaintancesOf(principal.userId);
        if (isFirst) tell(acquaintances, principal.userId, 'user_online');
        if (isInChats) socket.emit('presence_snapshot', { online: await onlineAmong(acquaintances.userIds) });
      } catch (error) {
        logger.warn({ err: error }, 'chats: it was not told who is online');
      }
    },

    async offline(userId: string): Promise<void> {
      if (!isUserOfChats(userId)) return;
      await models.User.updateOne({ _id: userId }, { lastSeen: new Date(clock.now()) }, { timestamps: false });
      tell(await acquaintancesOf(userId), userId, 'user_offline');
    },
  };
}

/** Ids are opaque to the gateway; a user without an ObjectId is in no chat. */
const isUserOfChats = (userId: string): boolean => isObjectIdOrHexString(userId);
