import { chunksOf } from '../platform/lists.js';
import type { Bus } from './bus.js';
import type { Emitter } from './emitter.js';
import { rooms } from './rooms.js';

/**
 * Finds the users who may have a socket, on any node. To be called when a change is stored: users who connect later read it.
 * Never rejects.
 */
export type FindPresent = (userIds: readonly string[]) => Promise<ReadonlySet<string>>;

/** Users who are looked up together. */
const USERS_MAX = 500;

/** @param namespaces where a socket of this node counts; the bus may name users who have just left, or are on other namespaces */
export const createFindPresent = (
  { bus, emitter }: { bus: Bus; emitter: Emitter },
  namespaces: readonly string[],
): FindPresent =>
  async function findPresent(userIds) {
    const found = await Promise.all(Array.from(chunksOf(userIds.map(rooms.user), USERS_MAX), bus.mayBeHeld));
    const isHeld = (room: string): boolean => found.some((held) => held.has(room));
    const isHere = (room: string): boolean => emitter.sizeHere(namespaces, room) > 0;
    return new Set(userIds.filter((id) => isHeld(rooms.user(id)) || isHere(rooms.user(id))));
  };
