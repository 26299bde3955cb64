import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import { toIdText } from '../../../models/index.js';
import type { Emitter } from '../../../realtime/emitter.js';
import { rooms } from '../../../realtime/rooms.js';
import type { ConversationKind, MessageView, StoredMessage } from '../kind.js';

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

/** A stored message in one of its conversations. */
interface Sent {
  readonly message: StoredMessage;
  readonly conversationId: string;
  readonly toWire: (message: StoredMessage, view: MessageView) => unknown;
}

/** Sends a message to users. The event is the same for all but its sender. */
export function publishMessage(
  { publish, kind }: { publish: Publish; kind: Pick<ConversationKind, 'events'> },
  users: readonly string[],
  { message, conversationId, toWire }: Sent,
): void {
  const sender = toIdText(message.sent_by);
  for (const alike of [users.filter((user) => user === sender), users.filter((user) => user !== sender)]) {
    const [viewerId] = alike;
    if (viewerId === undefined) continue;
    publish(alike, { event: kind.events.message, payload: toWire(message, { conversationId, viewerId }) });
  }
}
