import type { ClientSession, Types } from 'mongoose';
import { type Counter, tallyNames } from '#shared/models/counter.js';
import type { Models } from '#shared/models/index.js';
import { conversationKinds } from '#shared/models/member.js';
import { countersOf, type Push, talliesOf, toWrite } from './ledger.js';
import { addTo, areEqual, type Countable, countableFields, emptyTallies, type Tallies, toCounters } from './tally.js';

/**
 * Counts the members of a user one by one and stores what differs, in one transaction: a change that is under way is
 * either counted or meets this one and runs again.
 * @returns what people see of it
 */
export async function recount(
  { Member, Counter: counters }: Pick<Models, 'Member' | 'Counter'>,
  { user, session, at }: { user: Types.ObjectId; session: ClientSession; at: Date },
): Promise<Push[]> {
  const tallies: Tallies = new Map([['you', emptyTallies()]]);
  // Without Mongoose's documents, because there may be many.
  const members = Member.collection.find<Countable>({ user }, { session, projection: countableFields });
  for await (const member of members) addTo(tallies, withDefaults(member), 1);
  const stored = await counters.find({ user }).session(session).lean();
  const before = new Map(stored.map((counter) => [counter.channel_id, counter]));
  const userId = user.toHexString();
  const written = [...new Set([...tallies.keys(), ...before.keys()])].flatMap((channelId) => {
    const counter = before.get(channelId);
    const fresh = tallies.get(channelId) ?? emptyTallies();
    const isYou = channelId === 'you';
    if (!isYou && counter !== undefined && isSame(counter, fresh)) return [];
    return toWrite({ userId, channelId, tallies: fresh, before: counter, recountedAt: isYou ? at : undefined });
  });
  await counters.bulkWrite(
    written.map(({ operation }) => operation),
    { session, timestamps: false },
  );
  return written.flatMap(({ push }) => push ?? []);
}

/** Whether a stored counter says what was counted: by kind, and in the five numbers that other services read. */
function isSame(stored: Counter, fresh: ReturnType<typeof emptyTallies>): boolean {
  const tallies = talliesOf(stored);
  return (
    areEqual(countersOf(stored), toCounters(fresh)) &&
    conversationKinds.every((kind) => tallyNames.every((name) => tallies[kind][name] === fresh[kind][name]))
  );
}

/** Members that other services wrote may lack what is as by default. */
const withDefaults = (member: Partial<Countable> & Pick<Countable, 'user' | 'channel_id'>): Countable => ({
  kind: 'team',
  is_open: true,
  unread_count: 0,
  show_on_top: false,
  archived: false,
  mentioned: false,
  ...member,
  snoozed_until: member.snoozed_until ?? null,
});
