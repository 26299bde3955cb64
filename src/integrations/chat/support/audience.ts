import type { Types } from 'mongoose';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import { rooms } from '../../../realtime/rooms.js';
import { NO_USERS } from '../shared/index.js';
import { namedIn } from './accounts.js';

/** The receivers of a caller's events in a conversation. */
export interface Audience {
  /** The rooms of everyone in it. */
  readonly rooms: readonly string[];
  /** Rooms to leave out: those of users with a block with the caller. */
  readonly except: readonly string[];
}

/** The users of a conversation who do not receive a caller's events. */
export interface Excluded {
  /** Ids of participants of another account, who have no access. */
  readonly outsiders: ReadonlySet<string>;
  /** Ids of users with a block with the caller: neither receives the other's events. */
  readonly blocked: ReadonlySet<string>;
}

/** Of a conversation that was deleted. */
export const EMPTY_AUDIENCE: Audience = { rooms: [], except: [] };

/** Every participant receives the events. */
export const NONE_EXCLUDED: Excluded = { outsiders: NO_USERS, blocked: NO_USERS };

/**
 * Named users receive the events on every socket. Members of the department and the visitor receive them where they have
 * the conversation open.
 */
export function toAudience(
  { conversation, members }: { conversation: SupportConversation; members: readonly Types.ObjectId[] },
  { outsiders, blocked }: Excluded,
): Audience {
  const id = conversation._id.toHexString();
  const { visitorId } = conversation;
  const named = namedIn(conversation).map((user) => user.toHexString());
  return {
    rooms: [
      ...named.filter((user) => !outsiders.has(user)).map(rooms.user),
      ...members.map((user) => rooms.listener(id, rooms.user(user.toHexString()))),
      ...(visitorId === null ? [] : [rooms.listener(id, rooms.visitor(visitorId))]),
    ],
    except: [...blocked].map(rooms.user),
  };
}
