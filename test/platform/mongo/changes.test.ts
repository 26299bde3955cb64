import { mongo, Types } from 'mongoose';
import { expect, test } from 'vitest';
import { readChanges } from '../../../src/platform/mongo/changes.js';

/*
 * How MongoDB answers a reader of a change stream: with empty batches too, while it has not read on to the end. Its token says how
 * far it is.
 */

const NOW = 1_800_000_000;
const time = (seconds: number) => new mongo.Timestamp({ t: seconds, i: 1 });
/** As MongoDB writes it: type, seconds and number of a time, then the rest. */
const tokenAt = (seconds: number) => ({ _data: `82${seconds.toString(16).toUpperCase()}000000012B0429296E1404` });

type Answer = { readonly readUpTo: number; readonly inserted?: Types.ObjectId };

/** A database whose change stream gives these answers, and after them none with an event. */
function databaseOf(answers: readonly Answer[], storedLast = NOW) {
  const asked: Answer[] = [];
  let resumeToken: unknown;
  const stream = {
    get resumeToken() {
      return resumeToken;
    },
    async tryNext() {
      const answer = answers[asked.length] ?? answers.at(-1);
      if (answer === undefined) return null;
      asked.push(answer);
      const { readUpTo, inserted } = answer;
      resumeToken = tokenAt(readUpTo);
      if (inserted === undefined) return null;
      return {
        operationType: 'insert',
        ns: { coll: 'c' },
        documentKey: { _id: inserted },
        clusterTime: time(readUpTo),
      };
    },
    close: async () => undefined,
  };
  const hello = { localTime: new Date(NOW * 1000), operationTime: time(storedLast) };
  const db = { command: async () => hello, watch: () => stream };
  return { connection: { db } as never, asked };
}

const read = (connection: never, untilAgoMs = 0) =>
  readChanges(connection, { collections: ['c'], fromAgoMs: 60_000, untilAgoMs, limit: 100 });

test('reads on after an answer without a change, until the database has read the whole time', async () => {
  const [first, second] = [new Types.ObjectId(), new Types.ObjectId()];
  const { connection, asked } = databaseOf([
    { readUpTo: NOW - 60 },
    { readUpTo: NOW - 50, inserted: first },
    { readUpTo: NOW - 20 },
    { readUpTo: NOW - 10, inserted: second },
    { readUpTo: NOW },
  ]);
  const { changes } = await read(connection);
  expect(changes.map(({ id }) => id)).toEqual([first, second]);
  expect(asked).toHaveLength(5);
});

test('a database that does not get on is given up', async () => {
  const { connection, asked } = databaseOf([{ readUpTo: NOW - 60 }]);
  expect(await read(connection)).toEqual({ changes: [], isCut: false });
  expect(asked).toHaveLength(30);
});

test('the time of the last operation stands still while nothing is stored, and that is no reason to miss it', async () => {
  const last = new Types.ObjectId();
  const { connection } = databaseOf([{ readUpTo: NOW - 8, inserted: last }, { readUpTo: NOW - 2 }], NOW - 8);
  const { changes } = await read(connection, 2000);
  expect(changes.map(({ id }) => id)).toEqual([last]);
});
