import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { Emitter } from '../../realtime/emitter.js';
import { rooms } from '../../realtime/rooms.js';

/** Tells users something, on all of their sockets, on both namespaces of conversations. */
export type Announce = (
  userIds: readonly string[],
  outgoing: { event: string; payload: unknown },
  /** Not this socket. */
  exceptSocketId?: string,
) => void;

export const createAnnounce =
  (emitter: Emitter): Announce =>
  (userIds, outgoing, exceptSocketId) => {
    const target = { namespaces: conversationNamespaces, rooms: userIds.map(rooms.user) };
    emitter.emit(exceptSocketId === undefined ? target : { ...target, exceptSocketId }, outgoing);
  };

/** A conversation that has changed, as the original sends it. */
export const toUpdate = (conversation: unknown) => ({
  event: 'update_conversation',
  payload: { success: true, message: 'SUCCESS', data: { conversation } },
});
