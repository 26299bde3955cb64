import { Types } from 'mongoose';
import type { Communication } from '#shared/models/communication.js';
import type { Conversation, ConversationProspect } from '#shared/models/conversation.js';
import type { Models } from '#shared/models/index.js';
import type { ConversationKindName, Member } from '#shared/models/member.js';
import type { Message } from '#shared/models/message.js';
import { foldText } from '#shared/utilities/fold-text.js';

/*
 * The demonstration account: its users, conversations and contacts. Ids are fixed, so storing it again creates no
 * duplicates.
 */

const MINUTE_MS = 60_000;

/** Deterministic: the same number gives the same id. */
const id = (number: number): Types.ObjectId => new Types.ObjectId(`64de${number.toString(16).padStart(20, '0')}`);

const account = id(1);

/** The users of the demonstration account. */
export const people = ['Ada Adams', 'Ben Brown', 'Cleo Clark', 'Dan Diaz'].map((name, index) => ({
  _id: id(0x10 + index),
  account,
  name,
  email: `${name.split(' ')[0]?.toLowerCase()}@example.com`,
  conversation_active_status: 'away' as const,
}));

const contacts = ['Wendy Winter', 'Xaver Xu', 'Yara Young'].map((name, index) => ({
  _id: id(0x20 + index),
  account,
  name,
  email: `${name.split(' ')[0]?.toLowerCase()}@example.net`,
  phone: `+1 555 010${index}`,
}));

/**
 * A short description of a conversation. Users are indexes into {@link people}; lines alternate between them, a minute
 * apart.
 */
interface Talk {
  readonly title: string;
  readonly channel: string;
  readonly who: readonly number[];
  readonly lines: readonly string[];
  readonly endedMinutesAgo: number;
  readonly isClosed?: boolean;
  /** Index of a contact. Then the contact writes first and the team answers, alternately. */
  readonly contact?: number;
  /** Member fields of some participants. */
  readonly own?: Readonly<Record<number, Partial<Member>>>;
}

const standup = Array.from({ length: 60 }, (_, day) => `Day ${day + 1}: on track.`);

const talks: readonly Talk[] = [
  {
    title: 'Launch',
    channel: 'general',
    who: [0, 1, 2, 3],
    lines: ['The release notes are ready.', 'Reading them now.', 'Two typos, else fine.', 'Then Tuesday it is.'],
    endedMinutesAgo: 5,
    own: { 0: { unread_count: 2, mentioned: true }, 1: { unread_count: 1 } },
  },
  { title: 'Stand-up', channel: 'general', who: [0, 1, 2], lines: standup, endedMinutesAgo: 30 },
  {
    title: '',
    channel: 'general',
    who: [0, 1],
    lines: ['Lunch?', 'At one.'],
    endedMinutesAgo: 60,
    own: { 0: { show_on_top: true } },
  },
  {
    title: 'Pricing',
    channel: 'sales',
    who: [0, 2],
    lines: ['Are we too cheap?', 'Let us look again in a week.'],
    endedMinutesAgo: 600,
    own: { 0: { snoozed_until: new Date(Date.now() + 7 * 24 * 60 * MINUTE_MS) } },
  },
  { title: 'Trade fair', channel: 'sales', who: [1, 2, 3], lines: ['It was worth it.'], endedMinutesAgo: 3000 },
  {
    title: 'Old website',
    channel: 'support',
    who: [0, 1, 3],
    lines: ['It is switched off.', 'Finally.'],
    endedMinutesAgo: 9000,
    isClosed: true,
  },
  {
    title: '',
    channel: 'sms',
    who: [0, 1],
    contact: 0,
    lines: ['Do you ship to Norway?', 'We do, within five days.'],
    endedMinutesAgo: 20,
    own: { 1: { unread_count: 1 } },
  },
  {
    title: '',
    channel: 'mail',
    who: [0, 2],
    contact: 1,
    lines: ['I would like an offer for 40 seats.', 'It is on its way.', 'Thank you!'],
    endedMinutesAgo: 200,
  },
  {
    title: 'Returned parcel',
    channel: 'sms',
    who: [3],
    contact: 2,
    lines: ['My parcel came back to you.'],
    endedMinutesAgo: 4000,
  },
];

/** All documents of the account, by model. */
export function toDocuments(now: number) {
  const all = talks.map((talk, index) => toConversation(talk, id(0x1000 * (index + 1)), now));
  const of = (kind: ConversationKindName) => all.filter((one) => one.kind === kind);
  return {
    User: people,
    Contact: contacts,
    Conversation: of('team').map(({ conversation }) => conversation),
    ConversationProspect: of('prospect').map(({ conversation }) => conversation),
    Message: all.flatMap(({ messages }) => messages),
    Communication: all.flatMap(({ communications }) => communications),
    Member: all.flatMap(({ members }) => members),
  } satisfies { [Name in keyof Models]?: readonly { _id: Types.ObjectId }[] };
}

function toConversation(talk: Talk, _id: Types.ObjectId, now: number) {
  const numberOf = (offset: number) => new Types.ObjectId((BigInt(`0x${_id}`) + BigInt(offset)).toString(16));
  const users = talk.who.map((index) => personAt(index));
  const endedAt = now - talk.endedMinutesAgo * MINUTE_MS;
  const kind: ConversationKindName = talk.contact === undefined ? 'team' : 'prospect';
  const contact = talk.contact === undefined ? undefined : contacts[talk.contact];
  const lines = talk.lines.map((data, index) => ({
    _id: numberOf(0x100 + index),
    UUID: `demo-${index}`,
    data,
    createdAt: new Date(endedAt - (talk.lines.length - 1 - index) * MINUTE_MS),
  }));
  const last = lines.at(-1);
  const isContact = (index: number): boolean => contact !== undefined && index % 2 === 0;
  const messages: Message[] = lines.map((line, index) => ({
    ...line,
    conversation_id: _id,
    type: 'text',
    sent_by: users[index % users.length] ?? account,
    mentions: [],
    attachments: [],
  }));
  const communications: Communication[] = lines.map((line, index) => ({
    ...line,
    account,
    conversation_id: [_id],
    type: isContact(index) ? 'INCOMING' : 'OUTGOING',
    sent_by: (isContact(index) ? contact?._id : users[0]) ?? account,
  }));
  const createdAt = lines[0]?.createdAt ?? new Date(endedAt);
  const conversation: Conversation | ConversationProspect = {
    _id,
    account,
    users,
    title: talk.title,
    image: [],
    channel_id: talk.channel,
    created_by: users[0] ?? account,
    is_open: talk.isClosed !== true,
    last_activity: last?._id ?? null,
    last_activity_at: new Date(endedAt),
    createdAt,
    updatedAt: new Date(endedAt),
    ...(contact !== undefined && { contact_id: contact._id }),
  };
  const members = talk.who.map((person, index): Member => {
    const own = { unread_count: 0, ...talk.own?.[person] };
    const lastRead = lines[lines.length - 1 - own.unread_count];
    return {
      _id: numberOf(0x80 + index),
      conversation: _id,
      kind,
      user: personAt(person),
      account,
      channel_id: talk.channel,
      show_on_top: false,
      snoozed_until: null,
      archived: false,
      mentioned: false,
      last_read: lastRead?._id ?? null,
      last_read_at: lastRead?.createdAt ?? null,
      is_open: conversation.is_open,
      last_activity_at: new Date(endedAt),
      search_key: talk.title === '' && contact !== undefined ? null : foldText(talk.title),
      ...own,
    };
  });
  const isTeam = kind === 'team';
  return {
    kind,
    conversation,
    members,
    messages: isTeam ? messages : [],
    communications: isTeam ? [] : communications,
  };
}

function personAt(index: number): Types.ObjectId {
  const person = people[index];
  if (person === undefined) throw new Error(`there is no user ${index}`);
  return person._id;
}
