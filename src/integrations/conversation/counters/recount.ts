import { type ClientSession, type Model, Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import { type Counter, tallyNames } from '#shared/models/counter.js';
import type { Models } from '#shared/models/index.js';
import { conversationKinds, type Member } from '#shared/models/member.js';
import { readDocument, repairDocuments, storedValue } from '../../../models/index.js';
import { countersOf, type Push, talliesOf, toWrite } from './ledger.js';
import { addTo, areEqual, type Countable, countableFields, emptyTallies, type Tallies, toCounters } from './tally.js';

type Stored = Pick<Models, 'Member' | 'Counter' | 'Conversation' | 'ConversationProspect'>;

/** The fields of a member that a recount reads. */
type Read = Countable & Pick<Member, '_id' | 'conversation' | 'last_activity_at'>;

/** Members whose conversations are read in one query. */
const BATCH = 1000;

/** Whose counters are counted, and when. */
interface Counting {
  readonly users: readonly Types.ObjectId[];
  readonly session: ClientSession;
  readonly at: Date;
}

/**
 * Recounts the members of users and stores the differences, in one transaction: a concurrent change is either counted, or
 * conflicts and is retried. Deletes members of conversations that a user was removed from. Repairs fields that other
 * services left out or stored with another type, because lists are indexes of these fields.
 * @returns the counters that users see
 */
export async function recount(models: Stored, { users, session, at }: Counting): Promise<Push[]> {
  const { Member: members, Counter: counters } = models;
  const tallies = new Map(
    users.map((user): [string, Tallies] => [user.toHexString(), new Map([['you', emptyTallies()]])]),
  );
  const countBatch = async (batch: readonly Read[]): Promise<void> => {
    const departed = await findDeparted(models, batch, session);
    if (departed.size > 0) {
      const ids = [...departed].map(({ _id }) => _id);
      const conversations = [...departed].map((member) => storedValue(member, 'conversation'));
      const filter = { _id: { $in: ids }, conversation: { $in: conversations } };
      await members.collection.deleteMany(filter as never, { session });
    }
    const present = batch.filter((member) => !departed.has(member));
    for (const member of present) addTo(tallies.get(member.user.toHexString()) ?? new Map(), member, 1);
    await repairDocuments(members, present, session);
    await date(models, present, session);
  };
  const batch: Read[] = [];
  // Without Mongoose documents, because there can be many.
  const projection = { ...countableFields, conversation: 1, last_activity_at: 1 };
  const own = { user: { $in: [...users] } };
  for await (const member of members.collection.find(own, { session, projection, batchSize: BATCH })) {
    batch.push(readDocument('Member', member, { _id: 1, ...projection }) as unknown as Read);
    if (batch.length === BATCH) await countBatch(batch.splice(0));
  }
  await countBatch(batch);
  const stored = await counters.find(own).session(session).lean();
  const written = users.flatMap((user) => {
    const before = stored.filter((counter) => counter.user.equals(user));
    return toWrites(user.toHexString(), { tallies: tallies.get(user.toHexString()) ?? new Map(), before, at });
  });
  await counters.collection.bulkWrite(
    written.map(({ operation }) => operation),
    { session },
  );
  return written.flatMap(({ push }) => push ?? []);
}

/** What of a user's counters is to be stored. */
function toWrites(
  userId: string,
  { tallies, before, at }: { tallies: Tallies; before: readonly Counter[]; at: Date },
): ReturnType<typeof toWrite>[] {
  const byChannel = new Map(before.map((counter) => [counter.channel_id, counter]));
  return [...new Set([...tallies.keys(), ...byChannel.keys()])].flatMap((channelId) => {
    const counter = byChannel.get(channelId);
    const fresh = tallies.get(channelId) ?? emptyTallies();
    const isYou = channelId === 'you';
    if (!isYou && counter !== undefined && isSame(counter, fresh)) return [];
    return toWrite({ userId, channelId, tallies: fresh, before: counter, recountedAt: isYou ? at : undefined });
  });
}

/** Members whose conversation exists and does not name the user. A missing conversation may still be stored later. */
async function findDeparted(
  { Conversation, ConversationProspect }: Stored,
  batch: readonly Read[],
  session: ClientSession,
): Promise<Set<Read>> {
  const departed = new Set<Read>();
  for (const kind of conversationKinds) {
    const model = kind === 'team' ? Conversation : (ConversationProspect as unknown as Model<Conversation>);
    const own = batch.filter((member) => member.kind === kind);
    if (own.length === 0) continue;
    const users = await findUsers(model, own, session);
    for (const member of own) {
      const named = users.get(String(member.conversation));
      if (named?.some((id) => id.equals(member.user)) === false) departed.add(member);
    }
  }
  return departed;
}

/** The users of those conversations that seem not to name a user of theirs: the reader decides, for any stored form. */
async function findUsers(
  model: Model<Conversation>,
  members: readonly Read[],
  session: ClientSession,
): Promise<ReadonlyMap<string, readonly Types.ObjectId[]>> {
  const byUser = new Map<string, Types.ObjectId[]>();
  for (const { user, conversation } of members) {
    const id = user.toHexString();
    byUser.set(id, byUser.get(id) ?? []);
    byUser.get(id)?.push(conversation);
  }
  const branches = [...byUser].map(([user, ids]) => ({
    _id: { $in: ids },
    users: { $nin: [new Types.ObjectId(user), user] },
  }));
  const projection = { users: 1 };
  const [first = {}, ...more] = branches;
  const filter = more.length === 0 ? first : { $or: branches };
  const found = await model.collection.find(filter as never, { session, projection }).toArray();
  return new Map(
    found.map((conversation) => {
      const { _id, users } = readDocument('Conversation', conversation, projection) as unknown as Conversation;
      return [_id.toHexString(), users];
    }),
  );
}

/** Copies the last activity of the conversation to members that lack it; they would sort last otherwise. */
async function date(models: Stored, batch: readonly Read[], session: ClientSession): Promise<void> {
  for (const kind of conversationKinds) {
    const undated = batch.filter((member) => member.kind === kind && member.last_activity_at === undefined);
    if (undated.length === 0) continue;
    const model = kind === 'team' ? models.Conversation : models.ConversationProspect;
    const ids = undated.map(({ conversation }) => conversation);
    const found = await (model as Model<Conversation>)
      .find({ _id: { $in: ids } }, { last_activity_at: 1 })
      .session(session)
      .lean();
    const times = new Map(found.map(({ _id, last_activity_at }) => [_id.toHexString(), last_activity_at]));
    const operations = undated.map(({ _id, conversation }) => {
      const last_activity_at = times.get(conversation.toHexString()) ?? conversation.getTimestamp();
      return { updateOne: { filter: { _id, conversation }, update: { $set: { last_activity_at } } } };
    });
    await models.Member.bulkWrite(operations, { session, timestamps: false });
  }
}

/** Whether a stored counter equals the recount: by kind, and in the five totals that other services read. */
export function isSame(stored: Counter, fresh: ReturnType<typeof emptyTallies>): boolean {
  const tallies = talliesOf(stored);
  return (
    areEqual(countersOf(stored), toCounters(fresh)) &&
    conversationKinds.every((kind) => tallyNames.every((name) => tallies[kind][name] === fresh[kind][name]))
  );
}
