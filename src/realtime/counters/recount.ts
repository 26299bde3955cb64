import type { ClientSession, Types } from 'mongoose';
import { type Counter, tallyNames } from '#shared/models/counter.js';
import type { Models } from '#shared/models/index.js';
import { conversationKinds, type Member } from '#shared/models/member.js';
import { countersOf, type Push, talliesOf, toWrite } from './ledger.js';
import { addTo, areEqual, type Countable, countableFields, emptyTallies, type Tallies, toCounters } from './tally.js';

type Stored = Pick<Models, 'Member' | 'Counter' | 'Conversation' | 'ConversationProspect'>;

/** What is read of a member. */
type Read = Countable & Pick<Member, '_id' | 'conversation'>;

/** Members whose conversations are looked at together. */
const BATCH = 1000;

/**
 * Counts the members of a user one by one and stores what differs, in one transaction: a change that is under way is
 * either counted or meets this one and runs again. Members of conversations that the user was taken out of end here.
 * @returns what people see of it
 */
export async function recount(
  models: Stored,
  { user, session, at }: { user: Types.ObjectId; session: ClientSession; at: Date },
): Promise<Push[]> {
  const { Member: members, Counter: counters } = models;
  const tallies: Tallies = new Map([['you', emptyTallies()]]);
  const countBatch = async (batch: readonly Read[]): Promise<void> => {
    const departed = await findDeparted(models, batch, { user, session });
    if (departed.size > 0) await members.deleteMany({ _id: { $in: [...departed].map(({ _id }) => _id) } }, { session });
    for (const member of batch) if (!departed.has(member)) addTo(tallies, member, 1);
  };
  const batch: Read[] = [];
  // Without Mongoose's documents, because there may be many.
  const projection = { ...countableFields, conversation: 1 };
  for await (const member of members.collection.find<Read>({ user }, { session, projection })) {
    batch.push(withDefaults(member));
    if (batch.length === BATCH) await countBatch(batch.splice(0));
  }
  await countBatch(batch);
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

/** Those members whose conversation is there and does not name the user. One that is yet to be stored may come still. */
async function findDeparted(
  { Conversation, ConversationProspect }: Stored,
  batch: readonly Read[],
  { user, session }: { user: Types.ObjectId; session: ClientSession },
): Promise<Set<Read>> {
  const departed = new Set<Read>();
  for (const kind of conversationKinds) {
    const { collection } = kind === 'team' ? Conversation : ConversationProspect;
    const own = batch.filter((member) => member.kind === kind);
    if (own.length === 0) continue;
    const filter = { _id: { $in: own.map(({ conversation }) => conversation) }, users: { $ne: user } };
    const left = await collection.find(filter, { session, projection: { _id: 1 } }).toArray();
    const ids = new Set(left.map(({ _id }) => String(_id)));
    for (const member of own) if (ids.has(String(member.conversation))) departed.add(member);
  }
  return departed;
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
const withDefaults = (member: Partial<Read> & Pick<Read, '_id' | 'conversation' | 'user' | 'channel_id'>): Read => ({
  kind: 'team',
  is_open: true,
  unread_count: 0,
  show_on_top: false,
  archived: false,
  mentioned: false,
  ...member,
  snoozed_until: member.snoozed_until ?? null,
});
