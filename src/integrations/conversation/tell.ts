import { hash } from 'node:crypto';
import { Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import type { Settling } from '../../platform/settling.js';
import { namedIn } from './access.js';
import type { ConversationKind, Description, WireMessage } from './kind.js';
import type { FindPresent } from './presence.js';
import { type Publish, toUpdate } from './publish.js';
import { type ConversationView, prepareToShow, type Show } from './to-wire.js';

/** A conversation, and the participants who are told of it. */
interface Told {
  readonly conversation: Conversation;
  readonly members: readonly Member[];
}

/** How it is told. */
interface How<D extends Description, M extends WireMessage> {
  /** Absent: as a change. */
  readonly toEvent?: (view: ConversationView<D, M>, user: string) => { event: string; payload: unknown };
  /** A socket to leave out. */
  readonly exceptSocketId?: string;
}

/**
 * Tells participants how a stored conversation is for each of them: now, and later those for whom something else is stored. Each is
 * shown all others, so nothing is made for those who have no socket.
 * @returns how it is shown
 */
export type Tell<D extends Description, M extends WireMessage> = (told: Told, how?: How<D, M>) => Promise<Show<D, M>>;

interface Dependencies<D extends Description, M extends WireMessage> {
  readonly models: Models;
  readonly kind: ConversationKind<D, M>;
  readonly publish: Publish;
  readonly findPresent: FindPresent;
  readonly settling: Settling;
}

export function createTell<D extends Description, M extends WireMessage>({
  models,
  kind,
  publish,
  findPresent,
  settling,
}: Dependencies<D, M>): Tell<D, M> {
  /** What participants were told and is not compared yet: by conversation, the last state of each user. */
  const uncompared = new Map<string, Map<string, string>>();

  /** The participants for whom something else is stored than they were told; `undefined`: there are none. */
  const readUntold = async (conversation: Types.ObjectId): Promise<Told | undefined> => {
    const id = conversation.toHexString();
    const states = uncompared.get(id);
    uncompared.delete(id);
    if (states === undefined) return undefined;
    const user = { $in: Array.from(states.keys(), (one) => new Types.ObjectId(one)) };
    const [stored, members] = await Promise.all([
      kind.conversations.findById(conversation).lean<Conversation | null>(),
      models.Member.find({ conversation, user }).lean<Member[]>(),
    ]);
    if (stored === null) return undefined;
    const [named, stateOf] = [namedIn(stored), createStateOf(stored)];
    const untold = members.filter((member) => {
      const one = member.user.toHexString();
      return named.has(one) && stateOf(member) !== states.get(one);
    });
    return untold.length === 0 ? undefined : { conversation: stored, members: untold };
  };

  const settle = ({ conversation, members }: Told): void => {
    const id = conversation._id.toHexString();
    const states = uncompared.get(id) ?? new Map<string, string>();
    uncompared.set(id, states);
    const stateOf = createStateOf(conversation);
    for (const member of members) states.set(member.user.toHexString(), stateOf(member));
    settling.settle(`conversation ${id}`, {
      // What was sent is in the states.
      sent: undefined,
      read: () => readUntold(conversation._id),
      send: (untold) => tell(untold),
    });
  };

  const tell: Tell<D, M> = async (told, { toEvent = toUpdate, exceptSocketId } = {}) => {
    const { conversation } = told;
    const [toWire, present] = await Promise.all([
      prepareToShow(models, kind, [conversation]),
      findPresent(told.members.map(({ user }) => user.toHexString())),
    ]);
    const members = told.members.filter(({ user }) => present.has(user.toHexString()));
    for (const member of members) {
      const user = member.user.toHexString();
      publish([user], toEvent(toWire(conversation, member), user), exceptSocketId);
    }
    if (members.length > 0) settle({ conversation, members });
    return toWire;
  };
  return tell;
}

/** What of a conversation its participants can come to know by events of several nodes. @returns that of one of them, as text */
function createStateOf({ users, title, image, channel_id, is_open, last_activity }: Conversation) {
  const shared = hash('sha1', JSON.stringify({ users, title, image, channel_id, is_open, last_activity }));
  return function stateOf({ show_on_top, snoozed_until, archived, mentioned, unread_count }: Member): string {
    return JSON.stringify([shared, show_on_top, snoozed_until, archived, mentioned, unread_count]);
  };
}
