import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { Context } from '../../framework/context.js';
import { rooms } from '../../realtime/rooms.js';

/**
 * Finds the users who may have a socket, on any node. To be called when a change is stored: users who connect later read it.
 * Never rejects.
 */
export type FindPresent = (userIds: readonly string[]) => Promise<ReadonlySet<string>>;

/** Of so few users all count as present: an event for them costs less than to ask. */
const UNASKED_MAX = 10;

/** More than a few users are looked up in the bus, which may name some who have just left. */
export function createFindPresent({ bus, emitter }: Pick<Context, 'bus' | 'emitter'>): FindPresent {
  const isHere = (userId: string): boolean => emitter.sizeHere(conversationNamespaces, rooms.user(userId)) > 0;
  return async function findPresent(userIds) {
    if (userIds.length <= UNASKED_MAX) return new Set(userIds);
    const held = await bus.mayBeHeld(userIds.map(rooms.user));
    return new Set(userIds.filter((id) => held.has(rooms.user(id)) || isHere(id)));
  };
}

/** Finds out whether a user has, or may have, more sockets than the one that asks. To be called when a change is stored. Never rejects. */
export type HasOtherSockets = (userId: string) => Promise<boolean>;

/** Those of this node are known; whether there are others is asked of the bus. */
export const createHasOtherSockets = ({ bus, emitter }: Pick<Context, 'bus' | 'emitter'>): HasOtherSockets =>
  async function hasOtherSockets(userId) {
    const room = rooms.user(userId);
    return emitter.sizeHere(conversationNamespaces, room) > 1 || bus.mayBeHeldElsewhere(room);
  };
