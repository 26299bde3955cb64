import type { Amounts } from '#shared/contracts/costs.js';
import type { Conversation } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { Member } from '#shared/models/member.js';
import { toIdText } from '../../models/index.js';
import type { ConversationKind, Description, MessageView, StoredMessage, WireMessage } from './kind.js';
import { type Person, readPeople } from './people.js';
import { changedAt, madeAt } from './times.js';

/** A conversation on the wire, from one participant's point of view. */
export type ConversationView<D extends Description, M extends WireMessage> = D & {
  readonly _id: string;
  readonly users: Person[];
  readonly channel_id: string;
  readonly created_by: string;
  readonly is_open: boolean;
  readonly show_on_top: boolean;
  readonly snoozed_until: string | null;
  readonly archived: boolean;
  readonly mentioned: boolean;
  readonly unread_count: number;
  readonly last_activity: M | null;
  readonly createdAt: string;
  readonly updatedAt: string;
};

/** What a conversation shows of its own to each participant. */
export const charactersOf = ({ title, image }: Pick<Conversation, 'title' | 'image'>): number =>
  image.reduce((sum, { length }) => sum + length, title.length);

/** About the characters of a message on the wire, without its sender and times. */
export const charactersOfMessage = ({
  data,
  mentions = [],
  attachments = [],
}: Pick<WireMessage, 'data'> & { mentions?: readonly unknown[]; attachments?: readonly unknown[] }): number =>
  attachments.reduce<number>(
    (sum, attachment) => sum + charactersOfAttachment(attachment),
    (data?.length ?? 0) + ID_CHARACTERS * mentions.length,
  );

/** What is not text is not shown. */
const charactersOfAttachment = (attachment: unknown): number => {
  if (typeof attachment === 'string') return attachment.length;
  if (attachment === null || typeof attachment !== 'object') return 0;
  return Object.values(attachment).reduce<number>(
    (sum, value) => sum + (typeof value === 'string' ? value.length : 0),
    0,
  );
};

/** Characters of an id on the wire. */
const ID_CHARACTERS = 24;
/** About the characters of a participant on the wire. */
const PERSON_CHARACTERS = 128;
/** An answer that is echoed under the name of its event is sent twice. */
const TIMES_SENT = 2;

/**
 * The work of showing conversations in an answer: their participants are read, and all of it is sent.
 * @param newest their newest messages, as far as they were read already
 */
export function amountsOfShown(
  conversations: readonly Pick<Conversation, 'users' | 'title' | 'image'>[],
  newest: readonly StoredMessage[] = [],
): Amounts {
  const people = new Set(conversations.flatMap(({ users }) => users.map(String)));
  const ofConversations = conversations.reduce(
    (sum, conversation) => sum + charactersOf(conversation) + PERSON_CHARACTERS * conversation.users.length,
    0,
  );
  const ofMessages = newest.reduce((sum, message) => sum + charactersOfMessage(message), 0);
  return { rows: conversations.length + people.size, text: TIMES_SENT * (ofConversations + ofMessages) };
}

/** About the characters of a conversation on the wire, without its newest message. */
export const charactersOfView = ({ users, ...own }: Description & { readonly users: readonly Person[] }): number =>
  users.reduce((sum, person) => sum + charactersOfPerson(person), charactersOf(own));

const charactersOfPerson = ({ name, email, image }: Person): number =>
  PERSON_CHARACTERS + name.length + (email?.length ?? 0) + (image?.length ?? 0);

/** Shows one conversation to one of its participants. */
export type Show<D extends Description, M extends WireMessage> = (
  conversation: Conversation,
  member: Member,
) => ConversationView<D, M>;

/**
 * Reads what is needed to show conversations to any participant: users, newest messages and fields of the kind. Reads only
 * displayed fields.
 * @param known newest messages that were read already
 */
export async function prepareToShow<D extends Description, M extends WireMessage>(
  models: Models,
  kind: ConversationKind<D, M>,
  conversations: readonly Conversation[],
  known: readonly StoredMessage[] = [],
): Promise<Show<D, M>> {
  const [people, describe, messages] = await Promise.all([
    readPeople(
      models,
      conversations.flatMap(({ users }) => users),
    ),
    kind.describe(conversations),
    readNewest(kind, conversations, known),
  ]);
  // Nearly always the senders are among the users.
  const show = await kind.describeMessages([...messages.values()], people.all);
  const newest = (id: string, view: MessageView): M | null => {
    const message = messages.get(id);
    return message === undefined ? null : show(message, view);
  };
  /** What is the same for all participants. */
  const shared = new WeakMap<Conversation, { description: D; users: Person[] }>();
  const shareOf = (conversation: Conversation) => {
    const made = shared.get(conversation) ?? {
      description: describe(conversation),
      users: conversation.users.map(people.of),
    };
    shared.set(conversation, made);
    return made;
  };
  return (conversation, member) => {
    const id = conversation._id.toHexString();
    const { last_activity } = conversation;
    const { description, users } = shareOf(conversation);
    return {
      ...description,
      _id: id,
      users,
      channel_id: conversation.channel_id,
      created_by: toIdText(conversation.created_by),
      is_open: conversation.is_open,
      show_on_top: member.show_on_top,
      snoozed_until: member.snoozed_until?.toISOString() ?? null,
      archived: member.archived,
      mentioned: member.mentioned,
      unread_count: member.unread_count,
      last_activity:
        last_activity === null
          ? null
          : newest(last_activity.toHexString(), { conversationId: id, viewerId: member.user.toHexString() }),
      createdAt: madeAt(conversation).toISOString(),
      updatedAt: changedAt(conversation).toISOString(),
    };
  };
}

/** The newest messages of conversations by id. @param known messages that were read already */
async function readNewest(
  { messages }: Pick<ConversationKind, 'messages'>,
  conversations: readonly Conversation[],
  known: readonly StoredMessage[],
): Promise<ReadonlyMap<string, StoredMessage>> {
  const byId = new Map(known.map((message) => [message._id.toHexString(), message]));
  const missing = conversations.filter(
    ({ last_activity }) => last_activity !== null && !byId.has(last_activity.toHexString()),
  );
  if (missing.length === 0) return byId;
  const ids = missing.flatMap(({ last_activity }) => last_activity ?? []);
  const ofThem = { $in: missing.map(({ _id }) => _id) };
  const found = await messages.find({ _id: { $in: ids }, conversation_id: ofThem }).lean<StoredMessage[]>();
  for (const message of found) byId.set(message._id.toHexString(), message);
  return byId;
}
