import { type Connection, mongo, Types } from 'mongoose';

/** What was stored of one document in some time, however often. */
export interface StoredChange {
  readonly collection: string;
  readonly id: Types.ObjectId;
  /** It was inserted in that time. */
  readonly isNew: boolean;
  /** Paths of fields that were set or removed after that. */
  readonly fields: ReadonlySet<string>;
  /** Ids and short texts that fields were set to, in order. */
  readonly values: readonly (readonly [path: string, value: string | Types.ObjectId])[];
}

/** A time in the past, and what is looked for. */
export interface ChangesRequest {
  readonly collections: readonly string[];
  /** How long ago the time began and ended, in milliseconds. */
  readonly fromAgoMs: number;
  readonly untilAgoMs: number;
  /** Changes that are read at most, the earliest first. */
  readonly limit: number;
}

/** Longer texts are not kept. */
const VALUE_MAX = 100;
/** Empty answers in a row after which the reading ends. The database waits up to a second before it gives one. */
const EMPTY_ANSWERS_MAX = 30;

const emptyChange = (collection: string, id: Types.ObjectId) => ({
  collection,
  id,
  isNew: false,
  fields: new Set<string>(),
  values: [] as [string, string | Types.ObjectId][],
});

/**
 * Reads what was changed in a time, from the change stream of the database: writes cost nothing more for it, and need no index. The
 * time is that of the database, so no clocks are compared. A document whose id is not an ObjectId is left out.
 * @returns in the order of the first changes, and whether there are more
 * @throws the error of the database, for example when it does not go back so far
 */
export async function readChanges(
  { db }: Pick<Connection, 'db'>,
  { collections, fromAgoMs, untilAgoMs, limit }: ChangesRequest,
): Promise<{ changes: StoredChange[]; isCut: boolean }> {
  if (db === undefined) throw new Error('there is no connection to the database');
  const now = await readDatabaseTime(db);
  const startAtOperationTime = new mongo.Timestamp({ t: Math.floor(now - fromAgoMs / 1000), i: 1 });
  const until = Math.ceil(now - untilAgoMs / 1000);
  const stream = db.watch<mongo.Document>(
    [
      { $match: { operationType: { $in: ['insert', 'update', 'replace'] }, 'ns.coll': { $in: [...collections] } } },
      {
        $project: {
          operationType: 1,
          'ns.coll': 1,
          'documentKey._id': 1,
          clusterTime: 1,
          'updateDescription.updatedFields': 1,
          'updateDescription.removedFields': 1,
        },
      },
    ],
    { startAtOperationTime },
  );
  const found = new Map<string, ReturnType<typeof emptyChange>>();
  try {
    let count = 0;
    for (let empty = 0; empty < EMPTY_ANSWERS_MAX; ) {
      const event = (await stream.tryNext()) as unknown as mongo.Document | null;
      if (event === null) {
        // The database answers before it has read on to the end: a router of a sharded cluster always does so first, and each
        // after a second in which it has found nothing.
        if ((secondsOf(stream.resumeToken) ?? until) >= until) break;
        empty += 1;
        continue;
      }
      if (event['clusterTime'].getHighBitsUnsigned() > until) break;
      if (count === limit) return { changes: [...found.values()], isCut: true };
      take(found, event);
      count += 1;
      empty = 0;
    }
  } finally {
    await stream.close();
  }
  return { changes: [...found.values()], isCut: false };
}

/**
 * The time in seconds by which a change that is stored now is found. The time of the last operation stands still while nothing is
 * stored, and may be ahead of a clock that was set back.
 */
async function readDatabaseTime(db: mongo.Db): Promise<number> {
  const { operationTime, localTime } = (await db.command({ hello: 1 })) as DatabaseTimes;
  return Math.max(operationTime.getHighBitsUnsigned(), localTime.getTime() / 1000);
}

interface DatabaseTimes {
  readonly operationTime: mongo.Timestamp;
  readonly localTime: Date;
}

/**
 * How far a change stream was read. The text of a token begins with the type of a time, its seconds, and its number among those of
 * the second. @returns `undefined` for a token of another form
 */
function secondsOf(token: unknown): number | undefined {
  const { _data } = (token ?? {}) as { readonly _data?: unknown };
  const [, seconds] = typeof _data === 'string' ? (/^82([0-9a-f]{8})/i.exec(_data) ?? []) : [];
  return seconds === undefined ? undefined : Number.parseInt(seconds, 16);
}

function take(found: Map<string, ReturnType<typeof emptyChange>>, event: mongo.Document): void {
  const { operationType, ns, documentKey, updateDescription } = event;
  const id: unknown = documentKey._id;
  if (!(id instanceof Types.ObjectId)) return;
  const key = `${ns.coll} ${id.toHexString()}`;
  const change = found.get(key) ?? emptyChange(ns.coll, id);
  found.set(key, change);
  if (operationType !== 'update') change.isNew = true;
  for (const path of updateDescription?.removedFields ?? []) change.fields.add(path);
  for (const [path, value] of Object.entries<unknown>(updateDescription?.updatedFields ?? {})) {
    change.fields.add(path);
    const isShort = typeof value === 'string' ? value.length <= VALUE_MAX : value instanceof Types.ObjectId;
    if (isShort) change.values.push([path, value as string | Types.ObjectId]);
  }
}
