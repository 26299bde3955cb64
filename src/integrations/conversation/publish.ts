import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { Emitter } from '../../realtime/emitter.js';
import { rooms } from '../../realtime/rooms.js';

/** Sends an event to all sockets of users, on both conversation namespaces. */
export type Publish = (
  userIds: readonly string[],
  outgoing: { event: string; payload: unknown },
  /** A socket to leave out. */
  exceptSocketId?: string,
) => void;

/** Sends on both namespaces, because a user may be connected to either. */
export const createPublish = (emitter: Emitter): Publish =>
  function publishToParticipants(userIds, outgoing, exceptSocketId) {
    const target = { namespaces: conversationNamespaces, rooms: userIds.map(rooms.user) };
    emitter.emit(exceptSocketId === undefined ? target : { ...target, exceptSocketId }, outgoing);
  };

/** The event of a changed conversation, as in the original system. */
export const toUpdate = (conversation: unknown) => ({
  event: 'update_conversation',
  payload: { success: true, message: 'SUCCESS', data: { conversation } },
});
