import { EJSON } from 'bson';
import type { Connection } from 'mongoose';

/** All documents as text, by collection and id. */
export type Snapshot = ReadonlyMap<string, string>;

/** Collections that change with connections alone. */
const OPERATIONAL = /^(sockets|delivery\.(mailboxes|nodes))$/;
/** Fields that change without a call: with connections, and when a chat is quiet after a message. By collection. */
const NOISE: Readonly<Record<string, readonly string[]>> = {
  _users: ['lastSeen', 'conversation_active_status', 'updatedAt'],
  'community.chats': ['lastPosition'],
  'support.conversations': ['lastPosition'],
};

/** Reads every document that only operations change. */
export async function takeSnapshot({ db }: Connection): Promise<Snapshot> {
  if (db === undefined) throw new Error('the connection is not open');
  const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name);
  const read = async (name: string): Promise<[string, string][]> =>
    (await db.collection(name).find({}).toArray()).map((document) => [
      `${name} ${String(document._id)}`,
      EJSON.stringify(document),
    ]);
  const counted = names.filter((one) => !OPERATIONAL.test(one) && !one.startsWith('system.'));
  return new Map((await Promise.all(counted.map(read))).flat());
}

/** A document that was added (`before` is undefined), changed or deleted (`after` is undefined). */
export interface Change {
  readonly key: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

export function changesBetween(before: Snapshot, after: Snapshot): Change[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].flatMap((key) => {
    const change = { key, before: before.get(key), after: after.get(key) };
    // What was delivered is deleted at any time; only new deliveries have a cause.
    const isPurge = key.startsWith('delivery.') && change.before !== undefined;
    return isPurge || isSame(change) ? [] : change;
  });
}

function isSame({ key, before, after }: Change): boolean {
  if (before === undefined || after === undefined || before === after) return before === after;
  const fields = NOISE[collectionOf(key)] ?? [];
  const rest = (text: string): string => {
    const kept = Object.entries(JSON.parse(text) as object).filter(([field]) => !fields.includes(field));
    return JSON.stringify(kept);
  };
  return rest(before) === rest(after);
}

const collectionOf = (key: string): string => key.slice(0, key.indexOf(' '));

/** Reverts changes. */
export async function undo({ db }: Connection, changes: readonly Change[]): Promise<void> {
  for (const { key, before, after } of changes) {
    const collection = db?.collection(collectionOf(key));
    const { _id } = EJSON.parse(before ?? after ?? '{}') as { _id: never };
    if (before === undefined) await collection?.deleteOne({ _id });
    else await collection?.replaceOne({ _id }, EJSON.parse(before) as object, { upsert: true });
  }
}
