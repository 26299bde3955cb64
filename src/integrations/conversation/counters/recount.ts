import type { ClientSession, Model, Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';
import { type Counter, tallyNames } from '#shared/models/counter.js';
import type { Models } from '#shared/models/index.js';
import { conversationKinds, type Member } from '#shared/models/member.js';
import { readDocument, repairDocuments } from '../../../models/index.js';
import { countersOf, type Push, talliesOf, toWrite } from './ledger.js';
import { addTo, areEqual, type Countable, countableFields, emptyTallies, type Tallies, toCounters } from './tally.js';

type Stored = Pick<Models, 'Member' | 'Counter' | 'Conversation' | 'ConversationProspect'>;

/** The fields of a member that a recount reads. */
type Read = Countable & Pick<Member, '_id' | 'conversation' | 'last_activity_at'>;

/** Members whose conversations are read in one query. */
const BATCH = 1000;

/**
 * Recounts the members of a user and stores the differences, in one transaction: a concurrent change is either counted, or
 * conflicts and is retried. Deletes members of conversations that the user was removed from. Repairs fields that other
 * services left out or stored with another type, because lists are indexes of these fields.
 * @returns the counters that users see
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
    const present = batch.filter((member) => !departed.has(member));
    for (const member of present) addTo(tallies, member, 1);
    await repairDocuments(members, present, session);
    await date(models, present, session);
  };
  const batch: Read[] = [];
  // Without Mongoose documents, because there can be many.
  const projection = { ...countableFields, conversation: 1, last_activity_at: 1 };
  for await (const member of members.collection.find({ user }, { session, projection })) {
    batch.push(readDocument('Member', member, { _id: 1, ...projection }) as unknown as Read);
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

/** Members whose conversation exists and does not name the user. A missing conversation may still be stored later. */
async function findDeparted(
  { Conversation, ConversationProspect }: Stored,
  batch: readonly Read[],
  { user, session }: { user: Types.ObjectId; session: ClientSession },
): Promise<Set<Read>> {
  const departed = new Set<Read>();
  for (const kind of conversationKinds) {
    const model = kind === 'team' ? Conversation : (ConversationProspect as unknown as Model<Conversation>);
    const own = batch.filter((member) => member.kind === kind);
    if (own.length === 0) continue;
    const ids = new Set(await findLeft(model, { ids: own.map(({ conversation }) => conversation), user, session }));
    for (const member of own) if (ids.has(String(member.conversation))) departed.add(member);
  }
  return departed;
}

/** The conversations that do not name a user, for any stored form of the id. */
async function findLeft(
  model: Model<Conversation>,
  { ids, user, session }: { ids: Types.ObjectId[]; user: Types.ObjectId; session: ClientSession },
): Promise<string[]> {
  const filter = { _id: { $in: ids }, users: { $nin: [user, user.toHexString()] } };
  const projection = { users: 1 };
  const found = await model.collection.find(filter as never, { session, projection }).toArray();
  return found
    .map((conversation) => readDocument('Conversation', conversation, projection) as unknown as Conversation)
    .filter(({ users }) => !users.some((id) => id.equals(user)))
    .map(({ _id }) => _id.toHexString());
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
      return { updateOne: { filter: { _id }, update: { $set: { last_activity_at } } } };
    });
    await models.Member.bulkWrite(operations, { session, timestamps: false });
  }
}

/** Whether a stored counter equals the recount: by kind, and in the five totals that other services read. */
function isSame(stored: Counter, fresh: ReturnType<typeof emptyTallies>): boolean {
  const tallies = talliesOf(stored);
  return (
    areEqual(countersOf(stored), toCounters(fresh)) &&
    conversationKinds.every((kind) => tallyNames.every((name) => tallies[kind][name] === fresh[kind][name]))
  );
}
