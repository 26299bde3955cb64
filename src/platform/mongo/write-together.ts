import { type ClientSession, type Connection, mongo as driver, type Types } from 'mongoose';
import { fixedOptions } from './options.js';
import { StaleError } from './transaction.js';

/** A write of {@link WriteTogether}, or a condition of the writes behind it. */
export type Write = { readonly collection: string } & (
  | { readonly insert: object }
  | { readonly filter: object; readonly update: object; readonly isMany?: boolean }
  | Condition
);

/** Changes nothing. When it does not hold, nothing behind it is written. */
type Condition =
  /** This document matches the rest of the filter. */
  | { readonly expects: { readonly _id: Types.ObjectId } & Readonly<Record<string, unknown>> }
  /** No document matches the filter. */
  | { readonly excludes: object };

/** Writes and conditions of several collections, run in order until one fails. */
export interface WriteTogether {
  /**
   * @returns for each write the number of inserted or matched documents
   * @throws StaleError when a condition does not hold
   * @throws Error with `code` and `keyPattern` of the failed write; the transaction must be rolled back
   */
  inTransaction(writes: readonly Write[], session: ClientSession): Promise<number[]>;
  /**
   * Without a transaction: the writes before a failed one stay. It is one command, or nothing.
   * @returns the number of writes that were done, and the error of the next one: a {@link StaleError} for a condition;
   *   `undefined`: the server does not know the command, and nothing was written
   * @throws Error when the command failed as a whole. If the database was away, any of the writes may have been done.
   */
  inOrder(writes: readonly Write[]): Promise<WrittenInOrder | undefined>;
}

/** The outcome of writes without a transaction. */
interface WrittenInOrder {
  readonly done: number;
  readonly error?: Error;
}

/** The result of one write in the reply to `bulkWrite`. */
interface WriteReply {
  readonly idx: number;
  readonly n: number;
  readonly ok: number;
  readonly code?: number;
  readonly errmsg?: string;
}

/** Codes of servers without the command `bulkWrite`: CommandNotFound, CommandNotSupported, NotImplemented. */
const UNKNOWN_COMMAND_CODES: ReadonlySet<unknown> = new Set([59, 115, 238]);
/** After a refusal. While a cluster is upgraded, its primary can be of an earlier version for a time. */
const TRY_AGAIN_AFTER_MS = 60_000;

/**
 * MongoDB 8 and the embedded database run all writes as one command. An older server gets a command for each in a transaction,
 * for a minute after each refusal: the primary may be of another version by then. The driver's `bulkWrite` of a client takes
 * longer than a command, and nothing of it is needed here.
 * @param now milliseconds
 */
export function createWriteTogether(connection: Connection, now = (): number => performance.now()): WriteTogether {
  let isRefusedUntil = 0;
  /** Created once, because its options are resolved anew each time. */
  let admin: driver.Db | undefined;

  const isKnown = (): boolean => now() >= isRefusedUntil;
  const noteRefusal = (): void => {
    isRefusedUntil = now() + TRY_AGAIN_AFTER_MS;
  };

  const toCommand = (writes: readonly Write[]) => {
    const collections = [...new Set(writes.map(({ collection }) => collection))];
    return {
      bulkWrite: 1,
      ops: writes.map((write) => toOperation(write, collections.indexOf(write.collection))),
      nsInfo: collections.map((name) => ({ ns: `${connection.name}.${name}` })),
      cursor: { batchSize: writes.length },
    };
  };

  const run = (command: object, session?: ClientSession): Promise<driver.Document> => {
    admin ??= connection.getClient().db('admin');
    return admin.command(command, session === undefined ? {} : { session });
  };

  const writeAtOnce = async (writes: readonly Write[], session: ClientSession): Promise<number[]> => {
    const reply = await run(toCommand(writes), session);
    const results: readonly WriteReply[] = reply['cursor'].firstBatch;
    const failed = results.find(({ ok }) => ok !== 1);
    if (failed !== undefined) throw toError(failed, writes);
    return results.map(({ n }) => n);
  };

  const writeOne = async (write: Write, session: ClientSession): Promise<number> => {
    const collection = connection.collection(write.collection);
    if ('insert' in write) {
      await collection.insertOne(write.insert, { session });
      return 1;
    }
    if (isCondition(write)) {
      const isExpected = 'expects' in write;
      const filter = isExpected ? write.expects : write.excludes;
      const found = await collection.findOne(filter, { session, projection: { _id: 1 } });
      if ((found !== null) !== isExpected) throw new StaleError();
      return isExpected ? 1 : 0;
    }
    const { filter, update, isMany = false } = write;
    const { matchedCount } = await collection[isMany ? 'updateMany' : 'updateOne'](filter, update, { session });
    return matchedCount;
  };

  return {
    async inTransaction(writes, session) {
      if (!isKnown()) {
        const counts: number[] = [];
        for (const write of writes) counts.push(await writeOne(write, session));
        return counts;
      }
      try {
        return await writeAtOnce(writes, session);
      } catch (error) {
        if (!isUnknownCommand(error)) throw error;
        noteRefusal();
        // The server has aborted the transaction. It is run again.
        error.addErrorLabel('TransientTransactionError');
        throw error;
      }
    },

    async inOrder(writes) {
      if (!isKnown()) return undefined;
      const writeConcern = { ...fixedOptions.writeConcern, ...toTimeLimit(connection) };
      try {
        const reply = await run({ ...toCommand(writes), errorsOnly: true, writeConcern });
        const [failed]: readonly WriteReply[] = reply['cursor'].firstBatch;
        if (failed === undefined) return { done: writes.length };
        return { done: failed.idx, error: toError(failed, writes) };
      } catch (error) {
        if (!isUnknownCommand(error)) throw error;
        noteRefusal();
        return undefined;
      }
    },
  };
}

const toTimeLimit = (connection: Connection): { wtimeout?: number } => {
  const { wtimeoutMS } = connection.getClient().options.writeConcern ?? {};
  return wtimeoutMS === undefined ? {} : { wtimeout: wtimeoutMS };
};

const isCondition = (write: Write): write is { readonly collection: string } & Condition =>
  'expects' in write || 'excludes' in write;

/** Fails for every document, and is computed for none that does not match: a text that is no number becomes one. */
const IMPOSSIBLE = [{ $set: { never: { $toInt: { $concat: ['no ', { $type: '$_id' }] } } } }];
/** Fails when it inserts a document: it would have another id than its filter. */
const OTHER_ID = { $setOnInsert: { _id: '' } };

/** A condition is an update that fails when it does not hold. When it holds, nothing is written. */
function toOperation(write: Write, namespace: number): object {
  if ('insert' in write) return { insert: namespace, document: write.insert };
  if ('expects' in write) {
    return { update: namespace, filter: write.expects, updateMods: OTHER_ID, upsert: true };
  }
  if ('excludes' in write) {
    return { update: namespace, filter: write.excludes, updateMods: IMPOSSIBLE, multi: true };
  }
  const { filter, update, isMany = false } = write;
  return { update: namespace, filter, updateMods: update, multi: isMany };
}

function toError(failed: WriteReply, writes: readonly Write[]): Error {
  const write = writes[failed.idx];
  if (write !== undefined && isCondition(write)) return new StaleError();
  return new driver.MongoServerError({ ...failed, message: failed.errmsg ?? '' });
}

const isUnknownCommand = (error: unknown): error is driver.MongoServerError =>
  error instanceof driver.MongoServerError && UNKNOWN_COMMAND_CODES.has(error.code);
