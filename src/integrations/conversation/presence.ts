import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { Context } from '../../framework/context.js';
import { createFindPresent, type FindPresent } from '../../realtime/present-users.js';
import { rooms } from '../../realtime/rooms.js';

/** So few users all count as present: an event for them costs less than a lookup. */
const UNASKED_MAX = 10;

/** Finds the users who may be told of a change of a conversation. */
export function createFindHearers(context: Pick<Context, 'bus' | 'emitter'>): FindPresent {
  const findPresent = createFindPresent(context, conversationNamespaces);
  return async function findHearers(userIds) {
    return userIds.length <= UNASKED_MAX ? new Set(userIds) : findPresent(userIds);
  };
}

/** Finds out whether a user has, or may have, more sockets than the one that asks. To be called when a change is stored. Never rejects. */
export type HasOtherSockets = (userId: string) => Promise<boolean>;

/** The sockets of this node are known. The bus knows whether there are others. */
export const createHasOtherSockets = ({ bus, emitter }: Pick<Context, 'bus' | 'emitter'>): HasOtherSockets =>
  async function hasOtherSockets(userId) {
    const room = rooms.user(userId);
    return emitter.sizeHere(conversationNamespaces, room) > 1 || bus.mayBeHeldElsewhere(room);
  };
