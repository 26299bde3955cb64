import { channelId } from '#shared/contracts/conversation-parts.js';
import { type Counters, counterNames, type Tally, tallyNames } from '#shared/models/counter.js';
import { type ConversationKindName, conversationKinds, type Member } from '#shared/models/member.js';
import { safeParse } from '../../../validation.js';

/** The fields of a member that decide where it counts. */
export type Countable = Pick<
  Member,
  | 'user'
  | 'kind'
  | 'channel_id'
  | 'is_open'
  | 'unread_count'
  | 'show_on_top'
  | 'snoozed_until'
  | 'archived'
  | 'mentioned'
>;

/** Projection of {@link Countable}. */
export const countableFields = {
  user: 1,
  kind: 1,
  channel_id: 1,
  is_open: 1,
  unread_count: 1,
  show_on_top: 1,
  snoozed_until: 1,
  archived: 1,
  mentioned: 1,
} as const;

/** Virtual channels: views over all channels. */
export const specialChannels = ['you', 'mentions', 'prospect'] as const;

/** Tallies of one user, by channel and kind. */
export type Tallies = Map<string, Record<ConversationKindName, Tally>>;

const emptyTally = (): Tally => ({ open: 0, unread: 0, closed: 0, priority: 0, snoozed: 0, listed: 0, archived: 0 });

/** All zero. */
export const emptyTallies = (): Record<ConversationKindName, Tally> => ({ team: emptyTally(), prospect: emptyTally() });

/** The lists that hold a conversation. An archived one is in no other list. */
const listsOf: Record<keyof Tally, (member: Countable) => boolean> = {
  open: ({ archived, is_open, snoozed_until }) => !archived && is_open && snoozed_until === null,
  unread: ({ archived, unread_count }) => !archived && unread_count > 0,
  closed: ({ archived, is_open }) => !archived && !is_open,
  priority: ({ archived, show_on_top }) => !archived && show_on_top,
  snoozed: ({ archived, snoozed_until }) => !archived && snoozed_until !== null,
  listed: ({ archived, snoozed_until }) => !archived && snoozed_until === null,
  archived: ({ archived }) => archived,
};

/** The channels that a conversation counts in. */
const channelsOf = ({ channel_id, kind, mentioned }: Countable): string[] => [
  // Another service may store no channel, or the name of a virtual one.
  ...(safeParse(channelId, channel_id).success && !specialChannels.some((name) => name === channel_id)
    ? [channel_id]
    : []),
  'you',
  ...(mentioned ? ['mentions'] : []),
  ...(kind === 'prospect' ? ['prospect'] : []),
];

/** Adds a member to the tallies of its user, or subtracts it. */
export function addTo(tallies: Tallies, member: Countable, by: 1 | -1): void {
  const inLists = tallyNames.filter((name) => listsOf[name](member));
  for (const channel of channelsOf(member)) {
    const tally = tallies.get(channel) ?? emptyTallies();
    tallies.set(channel, tally);
    for (const name of inLists) tally[member.kind][name] += by;
  }
}

/** Whether all differences are zero. */
export const isZero = (tally: Record<ConversationKindName, Tally>): boolean =>
  conversationKinds.every((kind) => tallyNames.every((name) => tally[kind][name] === 0));

/** The five counters that users see, over both kinds. */
export const toCounters = (tally: Record<ConversationKindName, Tally>): Counters =>
  Object.fromEntries(counterNames.map((name) => [name, tally.team[name] + tally.prospect[name]])) as Counters;

/** Whether the visible counters differ. */
export const areEqual = (one: Counters, other: Counters): boolean =>
  counterNames.every((name) => one[name] === other[name]);
