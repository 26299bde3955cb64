import type { Principal } from '../../../auth/principal.js';
import type { Clock } from '../../../platform/time/clock.js';
import { rooms } from '../../../realtime/rooms.js';
import type { Work } from '../../../realtime/work.js';
import { type Access, type ConversationAccess, isNamed } from './access.js';
import { ownRoomOf } from './people.js';
import type { Publisher } from './publisher.js';

interface Dependencies {
  access: ConversationAccess;
  publisher: Publisher;
  work: Work;
  clock: Clock;
}

/** @param enter joins the socket to a room; called before any event is sent */
type Enter = (room: string) => void;

/** Opens and closes conversations. */
export function createRoom({ access, publisher, work, clock }: Dependencies) {
  const toPerson = ({ caller, conversation }: Access) => ({
    userId: caller.id,
    conversationId: conversation._id.toHexString(),
    userName: caller.name,
    timestamp: new Date(clock.now()).toISOString(),
  });

  return {
    /** Opens a conversation and notifies all, including this socket. Participants are subscribed in any case. */
    async join(principal: Principal, conversationId: string, enter: Enter): Promise<void> {
      const opened = await access.open(principal, conversationId);
      const { caller, conversation, audience } = opened;
      await work.pay(principal, { receivers: audience.rooms.length });
      if (caller.kind === 'visitor' || !isNamed(caller, conversation)) {
        enter(rooms.listener(conversation._id.toHexString(), ownRoomOf(caller)));
      }
      publisher.all(audience, { event: 'user_joined', payload: toPerson(opened) });
    },

    /** @param leave takes the socket out of a room; called even without access */
    async leave(principal: Principal, conversationId: string, leave: Enter): Promise<void> {
      if (principal.kind === 'user') leave(rooms.listener(conversationId, rooms.user(principal.userId)));
      const opened = await access.open(principal, conversationId);
      await work.pay(principal, { receivers: opened.audience.rooms.length });
      publisher.others(opened.audience, opened.caller, { event: 'user_left', payload: toPerson(opened) });
    },

    /** The rooms of the conversations of a visitor's token, as far as they have this visitor. */
    ofVisitor: (visitorId: string, conversationIds: readonly string[]): string[] =>
      conversationIds.map((id) => rooms.listener(id.toLowerCase(), rooms.visitor(visitorId))),
  };
}
