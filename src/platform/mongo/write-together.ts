import { type ClientSession, type Connection, mongo as driver } from 'mongoose';

/** A write of {@link WriteTogether}. */
export type Write = { readonly collection: string } & (
  | { readonly insert: object }
  | { readonly filter: object; readonly update: object; readonly isMany?: boolean }
);

/**
 * Runs writes of several collections in a transaction, in order, and stops at the first that fails.
 * @returns for each write the number of inserted or matched documents
 * @throws Error with `code` and `keyPattern` of the failed write; the transaction must be rolled back
 */
export type WriteTogether = (writes: readonly Write[], session: ClientSession) => Promise<number[]>;

/** The result of one write in the reply to `bulkWrite`. */
interface WriteReply {
  readonly n: number;
  readonly ok: number;
  readonly code?: number;
  readonly errmsg?: string;
}

/** Codes of servers without the command `bulkWrite`: CommandNotFound, CommandNotSupported, NotImplemented. */
const UNKNOWN_COMMAND_CODES: ReadonlySet<unknown> = new Set([59, 115, 238]);

/**
 * MongoDB 8 and the embedded database run all writes as one command. An older server gets a command for each, from the first
 * refusal on. The driver's `bulkWrite` of a client takes longer than a command, and nothing of it is needed here.
 */
export function createWriteTogether(connection: Connection): WriteTogether {
  let isOneCommand = true;

  const writeAtOnce: WriteTogether = async (writes, session) => {
    const collections = [...new Set(writes.map(({ collection }) => collection))];
    const reply = await connection
      .getClient()
      .db('admin')
      .command(
        {
          bulkWrite: 1,
          ops: writes.map((write) => toOperation(write, collections.indexOf(write.collection))),
          nsInfo: collections.map((name) => ({ ns: `${connection.name}.${name}` })),
          cursor: { batchSize: writes.length },
        },
        { session },
      );
    const results: readonly WriteReply[] = reply['cursor'].firstBatch;
    const failed = results.find(({ ok }) => ok !== 1);
    if (failed !== undefined) throw new driver.MongoServerError({ ...failed, message: failed.errmsg ?? '' });
    return results.map(({ n }) => n);
  };

  const writeOne = async (write: Write, session: ClientSession): Promise<number> => {
    const collection = connection.collection(write.collection);
    if ('insert' in write) {
      await collection.insertOne(write.insert, { session });
      return 1;
    }
    const { filter, update, isMany = false } = write;
    const { matchedCount } = await collection[isMany ? 'updateMany' : 'updateOne'](filter, update, { session });
    return matchedCount;
  };

  return async function writeTogether(writes, session) {
    if (!isOneCommand) {
      const counts: number[] = [];
      for (const write of writes) counts.push(await writeOne(write, session));
      return counts;
    }
    try {
      return await writeAtOnce(writes, session);
    } catch (error) {
      if (!isUnknownCommand(error)) throw error;
      isOneCommand = false;
      // The server has aborted the transaction. It is run again.
      error.addErrorLabel('TransientTransactionError');
      throw error;
    }
  };
}

function toOperation(write: Write, namespace: number): object {
  if ('insert' in write) return { insert: namespace, document: write.insert };
  const { filter, update, isMany = false } = write;
  return { update: namespace, filter, updateMods: update, multi: isMany };
}

const isUnknownCommand = (error: unknown): error is driver.MongoServerError =>
  error instanceof driver.MongoServerError && UNKNOWN_COMMAND_CODES.has(error.code);
