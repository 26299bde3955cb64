import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { createBatcher } from '../../platform/batcher.js';
import type { Settling } from '../../platform/settling.js';
import { type Access, isNamed } from './access.js';
import type { ConversationKind, Description, WireMessage } from './kind.js';
import { type Publish, toUpdate } from './publish.js';
import { type ConversationView, prepareToShow, type Show } from './to-wire.js';

/** Participants that are read together. */
const READ_MAX = 100;

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

/** A participant of a conversation. */
type Place = Pick<Member, 'conversation' | 'user'>;

/** Tells participants how a conversation is for each of them. */
export interface Tell<D extends Description, M extends WireMessage> {
  /** Sends it, and later what is stored, to those for whom that is something else. @returns how it is shown */
  (told: Told, how?: How<D, M>): Promise<Show<D, M>>;
  /** What is stored of a participant; `undefined` when the conversation does not name them any more. */
  readStored(place: Place): Promise<Access | undefined>;
}

interface Dependencies<D extends Description, M extends WireMessage> {
  readonly models: Models;
  readonly kind: ConversationKind<D, M>;
  readonly publish: Publish;
  readonly settling: Settling;
}

export function createTell<D extends Description, M extends WireMessage>({
  models,
  kind,
  publish,
  settling,
}: Dependencies<D, M>): Tell<D, M> {
  const readStored = createBatcher<Place, Access | undefined>(async (places) => {
    const ids = places.map(({ conversation }) => conversation);
    const [conversations, members] = await Promise.all([
      kind.conversations.find({ _id: { $in: ids } }).lean<Conversation[]>(),
      models.Member.find({ $or: places.map(({ conversation, user }) => ({ conversation, user })) }).lean(),
    ]);
    return places.map((place) => {
      const conversation = conversations.find(({ _id }) => _id.equals(place.conversation));
      const member = members.find((one) => one.conversation.equals(place.conversation) && one.user.equals(place.user));
      const isThere = conversation !== undefined && member !== undefined && isNamed(conversation, place.user);
      return isThere ? { conversation, member } : undefined;
    });
  }, READ_MAX);

  const settle = (conversation: Conversation, member: Member): void => {
    const { user } = member;
    const place = { conversation: conversation._id, user };
    settling.settle(`conversation ${conversation._id.toHexString()} ${user.toHexString()}`, {
      sent: stateOf({ conversation, member }),
      async read() {
        const stored = await readStored(place);
        return stored && stateOf(stored);
      },
      async send() {
        const stored = await readStored(place);
        if (stored !== undefined) await send({ conversation: stored.conversation, members: [stored.member] });
      },
    });
  };

  const send = async (
    { conversation, members }: Told,
    { toEvent = toUpdate, exceptSocketId }: How<D, M> = {},
  ): Promise<Show<D, M>> => {
    const toWire = await prepareToShow(models, kind, [conversation]);
    for (const member of members) {
      const user = member.user.toHexString();
      publish([user], toEvent(toWire(conversation, member), user), exceptSocketId);
    }
    return toWire;
  };

  const tell = async (told: Told, how?: How<D, M>): Promise<Show<D, M>> => {
    const toWire = await send(told, how);
    for (const member of told.members) settle(told.conversation, member);
    return toWire;
  };
  return Object.assign(tell, { readStored });
}

/** What of a conversation a participant can come to know by events of several nodes. */
const stateOf = ({ conversation, member }: Access): string => {
  const { users, title, image, channel_id, is_open, last_activity } = conversation;
  const { show_on_top, snoozed_until, archived, mentioned, unread_count } = member;
  const own = { show_on_top, snoozed_until, archived, mentioned, unread_count };
  return JSON.stringify({ users, title, image, channel_id, is_open, last_activity, own });
};
