import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import type { Settling } from '../../../platform/concurrency/settling.js';
import { chunksOf, groupBy } from '../../../platform/lists.js';
import type { FindPresent } from '../../../realtime/present-users.js';
import { type Access, namedIn } from '../access.js';
import type { ConversationKind, Description, WireMessage } from '../kind.js';
import type { HasOtherSockets } from '../presence.js';
import { type ConversationView, prepareToShow, type Show } from '../to-wire.js';
import { type Publish, toUpdate } from './publish.js';
import { createSentState, createStateOf, keyOf, type SentState } from './sent-state.js';

/** A conversation, and the participants to whom it is sent. */
interface Publication {
  readonly conversation: Conversation;
  readonly members: readonly Member[];
}

/** The event that a participant gets. */
type ToEvent<D extends Description, M extends WireMessage> = (
  view: ConversationView<D, M>,
  user: string,
) => { event: string; payload: unknown };

/**
 * Sends participants a stored conversation, each as they see it: now, and later once more to those for whom something else is
 * stored.
 */
export interface ConversationPublisher<D extends Description, M extends WireMessage> {
  /**
   * Each sees all others, so nothing is built for those who have no socket.
   * @param toEvent absent: as a change
   * @returns how it is shown
   */
  publishConversation(publication: Publication, toEvent?: ToEvent<D, M>): Promise<Show<D, M>>;
  /**
   * Sends a participant a change on all sockets but the one that got the answer. Nothing is built when there is no other socket.
   */
  publishToOtherSockets(access: Access, socketId: string): Promise<void>;
}

interface Dependencies<D extends Description, M extends WireMessage> {
  readonly models: Models;
  readonly kind: ConversationKind<D, M>;
  readonly publish: Publish;
  readonly findPresent: FindPresent;
  readonly hasOtherSockets: HasOtherSockets;
  readonly settling: Settling;
}

/** Remembers what each participant was sent until it is compared with what is stored. */
export function createConversationPublisher<D extends Description, M extends WireMessage>({
  models,
  kind,
  publish,
  findPresent,
  hasOtherSockets,
  settling,
}: Dependencies<D, M>): ConversationPublisher<D, M> {
  /** The participants for whom something else is stored than they were sent. */
  const readOutdated = async (states: readonly SentState[]): Promise<Publication[]> => {
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
    const sent = new Map(states.map((one) => [keyOf(one), one]));
    const membersOf = groupBy(members, ({ conversation }) => conversation.toHexString());
    return conversations.flatMap((conversation) => {
      const [named, stateOf] = [namedIn(conversation), createStateOf(conversation)];
      const outdated = (membersOf.get(conversation._id.toHexString()) ?? []).filter(
        (member) => named.has(member.user.toHexString()) && sent.get(keyOf(member))?.isOutdated(stateOf(member)),
      );
      return outdated.length === 0 ? [] : [{ conversation, members: outdated }];
    });
  };

  const settle = ({ conversation, members }: Publication): void => {
    const stateOf = createStateOf(conversation);
    settling.settleEach<SentState, Publication[]>(`conversations ${kind.name}`, {
      sent: members.map((member) => [keyOf(member), createSentState(member, stateOf(member))]),
      async read(states) {
        for (const one of states.values()) one.look();
        const parts = [...chunksOf([...states.values()], READ_MAX)];
        return (await Promise.all(parts.map(readOutdated))).flat();
      },
      send: (outdated) => Promise.all(outdated.map((one) => publishConversation(one))),
      isOpen: (one) => one.isOpen(),
    });
  };

  const publishConversation: ConversationPublisher<D, M>['publishConversation'] = async (
    publication,
    toEvent = toUpdate,
  ) => {
    const { conversation } = publication;
    const [toWire, present] = await Promise.all([
      prepareToShow(models, kind, [conversation]),
      findPresent(publication.members.map(({ user }) => user.toHexString())),
    ]);
    const members = publication.members.filter(({ user }) => present.has(user.toHexString()));
    const events = members.map((member) => {
      const [user, view] = [member.user.toHexString(), toWire(conversation, member)];
      const outgoing = toEvent(view, user);
      const isOfViewer = view.last_activity?.is_sender === true;
      return { user, outgoing, content: `${outgoing.event} ${isOfViewer} ${ownStateOf(member)}` };
    });
    // Most participants get the same event. It is encoded once for all of them.
    for (const [first, ...others] of groupBy(events, ({ content }) => content).values()) {
      if (first === undefined) continue;
      const users = [first, ...others].map(({ user }) => user);
      publish(users, first.outgoing);
    }
    if (members.length > 0) settle({ conversation, members });
    return toWire;
  };
  return {
    publishConversation,
    async publishToOtherSockets({ conversation, member }, socketId) {
      const user = member.user.toHexString();
      if (await hasOtherSockets(user)) {
        const toWire = await prepareToShow(models, kind, [conversation]);
        publish([user], toUpdate(toWire(conversation, member)), socketId);
      }
      settle({ conversation, members: [member] });
    },
  };
}

/** Participants whose states are read together. */
const READ_MAX = 1000;

/** What a participant alone is shown of a conversation. */
const ownStateOf = ({ show_on_top, snoozed_until, archived, mentioned, unread_count }: Member): string =>
  JSON.stringify([show_on_top, snoozed_until, archived, mentioned, unread_count]);
