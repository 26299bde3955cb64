import { chatNamespace } from '#shared/contracts/namespaces.js';
import type { Chat } from '#shared/models/chat.js';
import type { Logger } from '../../../platform/logging/logger.js';
import type { Emitter, OutgoingEvent, Target } from '../../../realtime/emitter.js';
import { rooms } from '../../../realtime/rooms.js';
import type { UserCaller } from '../shared/index.js';
import type { ChatAccess } from './access.js';

/** Sends events to users. A failure is logged and does not fail the call, because the change is stored. */
export interface Publisher {
  /** To all participants without a block with the caller, once for each socket. */
  all(opened: Opened, outgoing: OutgoingEvent): void;
  /** The same, without the caller. */
  others(opened: Opened, outgoing: OutgoingEvent): void;
  /** The same, only to sockets that have not left the chat. */
  othersPresent(opened: Opened, outgoing: OutgoingEvent): void;
  /** To users and members of groups, except some users. */
  people(
    audience: { userIds: readonly string[]; groups?: readonly string[]; except?: readonly string[] },
    o: OutgoingEvent,
  ): void;
}

/** The current participants determine the receivers, not the rooms that sockets have entered. */
type Opened = Pick<ChatAccess, 'blocked'> & {
  readonly caller: Pick<UserCaller, 'id'>;
  readonly chat: Pick<Chat, '_id' | 'participants'>;
};

/** The rooms of the participants, and those to leave out. */
export const toAudience = ({ chat, blocked }: { chat: Pick<Chat, 'participants'>; blocked: Iterable<string> }) => ({
  rooms: chat.participants.map((id) => rooms.user(id.toHexString())),
  except: [...blocked].map(rooms.user),
});

/** Sends in the namespace `/` alone. */
export function createPublisher({ emitter, logger }: { emitter: Emitter; logger: Logger }): Publisher {
  const send = (target: Omit<Target, 'namespaces'>, outgoing: OutgoingEvent): void => {
    try {
      emitter.emit({ ...target, namespaces: [chatNamespace] }, outgoing);
    } catch (error) {
      logger.error({ err: error, name: outgoing.event }, 'community: sending an event failed');
    }
  };
  const sendTo = (opened: Opened, outgoing: OutgoingEvent, ...without: string[]): void => {
    const audience = toAudience(opened);
    send({ rooms: audience.rooms, exceptRoom: [...audience.except, ...without] }, outgoing);
  };
  return {
    all: sendTo,
    others: (opened, outgoing) => sendTo(opened, outgoing, rooms.user(opened.caller.id)),
    othersPresent: (opened, outgoing) =>
      sendTo(opened, outgoing, rooms.user(opened.caller.id), rooms.chatLeft(opened.chat._id.toHexString())),
    people({ userIds, groups = [], except = [] }, outgoing) {
      const heard = [...userIds.map(rooms.user), ...groups.map(rooms.group)];
      send({ rooms: heard, exceptRoom: except.map(rooms.user) }, outgoing);
    },
  };
}
