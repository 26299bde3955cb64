import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { Chat } from '#shared/models/chat.js';
import type { Logger } from '../../../platform/logger.js';
import type { Emitter, OutgoingEvent, Target } from '../../../realtime/emitter.js';
import { rooms } from '../../../realtime/rooms.js';

/** Tells people what has happened. What was done is done: that telling fails is logged, and no answer to anybody. */
export interface Tell {
  /** Everybody in a chat, once for each socket. */
  all(chat: Audience, outgoing: OutgoingEvent): void;
  /** The same but for one person. */
  others(chat: Audience, userId: string, outgoing: OutgoingEvent): void;
  /** The same, and only sockets that have not left the chat. */
  othersPresent(chat: Audience, userId: string, outgoing: OutgoingEvent): void;
  /** These users, and the members of these groups, but for some. */
  people(
    audience: { userIds: readonly string[]; groups?: readonly string[]; except?: readonly string[] },
    o: OutgoingEvent,
  ): void;
}

/** Who hears a chat is what it says now, not which rooms sockets have entered. */
type Audience = Pick<Chat, '_id' | 'participants'>;

export function createTell({ emitter, logger }: { emitter: Emitter; logger: Logger }): Tell {
  const send = (target: Omit<Target, 'namespaces'>, outgoing: OutgoingEvent): void => {
    try {
      emitter.emit({ ...target, namespaces: [chatNamespace] }, outgoing);
    } catch (error) {
      logger.error({ err: error, event: outgoing.event }, 'community: an event was not sent');
    }
  };
  const idsOf = ({ participants }: Audience): string[] => participants.map((id) => id.toHexString());
  const roomsWithout = (chat: Audience, userId: string): string[] =>
    idsOf(chat)
      .filter((id) => id !== userId)
      .map(rooms.user);
  return {
    all: (chat, outgoing) => send({ rooms: idsOf(chat).map(rooms.user) }, outgoing),
    others: (chat, userId, outgoing) => send({ rooms: roomsWithout(chat, userId) }, outgoing),
    othersPresent: (chat, userId, outgoing) =>
      send({ rooms: roomsWithout(chat, userId), exceptRoom: rooms.chatLeft(chat._id.toHexString()) }, outgoing),
    people({ userIds, groups = [], except = [] }, outgoing) {
      const heard = [...userIds.map(rooms.user), ...groups.map(rooms.group)];
      send({ rooms: heard, exceptRoom: except.map(rooms.user) }, outgoing);
    },
  };
}
