import { hash } from 'node:crypto';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { chunksOf, groupBy } from '../../platform/lists.js';
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

/** Remembers what each participant was told until it was compared with what is stored. */
export function createTell<D extends Description, M extends WireMessage>({
  models,
  kind,
  publish,
  findPresent,
  settling,
}: Dependencies<D, M>): Tell<D, M> {
  /** Of participants of some conversations, those for whom something else is stored than they were told. */
  const readUntold = async (states: readonly ToldState[]): Promise<Told[]> => {
    const byConversation = groupBy(states, ({ conversation }) => conversation.toHexString());
    const [conversations, members] = await Promise.all([
      kind.conversations.find({ _id: { $in: [...byConversation.keys()] } }).lean<Conversation[]>(),
      models.Member.find({
        $or: Array.from(byConversation, ([conversation, own]) => ({
          conversation,
          user: { $in: own.map(({ user }) => user) },
        })),
      }).lean<Member[]>(),
    ]);
    const told = new Map(states.map((one) => [keyOf(one), one.state]));
    const membersOf = groupBy(members, ({ conversation }) => conversation.toHexString());
    return conversations.flatMap((conversation) => {
      const [named, stateOf] = [namedIn(conversation), createStateOf(conversation)];
      const untold = (membersOf.get(conversation._id.toHexString()) ?? []).filter(
        (member) => named.has(member.user.toHexString()) && stateOf(member) !== told.get(keyOf(member)),
      );
      return untold.length === 0 ? [] : [{ conversation, members: untold }];
    });
  };

  const settle = ({ conversation, members }: Told): void => {
    const stateOf = createStateOf(conversation);
    settling.settleEach<ToldState, Told[]>(`conversations ${kind.name}`, {
      sent: members.map((member) => [
        keyOf(member),
        { conversation: conversation._id, user: member.user, state: stateOf(member) },
      ]),
      async read(states) {
        const parts = [...chunksOf([...states.values()], READ_MAX)];
        return (await Promise.all(parts.map(readUntold))).flat();
      },
      send: (untold) => Promise.all(untold.map((one) => tell(one))),
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

/** What a participant of a conversation was told. */
interface ToldState extends Pick<Member, 'conversation' | 'user'> {
  readonly state: string;
}

/** Names a participant of a conversation. */
export const keyOf = ({ conversation, user }: Pick<Member, 'conversation' | 'user'>): string =>
  `${conversation.toHexString()} ${user.toHexString()}`;

/** Participants whose states are read together. */
const READ_MAX = 1000;

/** What of a conversation its participants can come to know by events of several nodes. @returns that of one of them, as text */
function createStateOf({ users, title, image, channel_id, is_open, last_activity }: Conversation) {
  const shared = hash('sha1', JSON.stringify({ users, title, image, channel_id, is_open, last_activity }));
  return function stateOf({ show_on_top, snoozed_until, archived, mentioned, unread_count }: Member): string {
    return JSON.stringify([shared, show_on_top, snoozed_until, archived, mentioned, unread_count]);
  };
}
