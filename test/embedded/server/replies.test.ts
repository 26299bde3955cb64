import { Double } from 'bson';
import { expect, test } from 'vitest';
import type { Document } from '../../../src/embedded/bson/values.js';
import { sendRaw } from '../support/raw-client.js';
import { startTestServer } from '../support/running-server.js';

/** Keeps the types of numbers in replies. */
const EXACT = { promoteValues: false };

test('replies ok as a double, because drivers of typed languages read it as one', async () => {
  const { db, client } = await startTestServer();
  expect((await db.command({ ping: 1 }, EXACT))['ok']).toEqual(new Double(1));
  const failure = await db.command({ frobnicate: 1 }, EXACT).catch((error) => error.errorResponse);
  expect(failure.ok).toEqual(new Double(0));
  const bulk: Document = {
    bulkWrite: 1,
    ops: [
      { insert: 0, document: { _id: 1 } },
      { insert: 0, document: { _id: 1 } },
    ],
    nsInfo: [{ ns: 'test.c' }],
  };
  const { cursor } = await client.db('admin').command(bulk, EXACT);
  expect(cursor.firstBatch.map(({ ok }: Document) => ok)).toEqual([new Double(1), new Double(0)]);
});

test.each([
  [{ $project: { a: { $toInt: 'x' } } }, 'ConversionFailure'],
  [{ $addFields: { a: { $frobnicate: 1 } } }, 'InvalidPipelineOperator'],
  [{ $merge: { into: 'd', whenNotMatched: 'fail' } }, 'MergeStageNoMatchingDocument'],
])('names the code of the error of %j as MongoDB does', async (stage, codeName) => {
  const { db } = await startTestServer();
  await db.collection('c').insertOne({ a: 1 });
  await expect(db.collection('c').aggregate([stage]).toArray()).rejects.toMatchObject({ codeName });
});

test('adds the write concern error of a fail point as it is', async () => {
  const { client, path } = await startTestServer();
  await client.db('admin').command({
    configureFailPoint: 'failCommand',
    mode: { times: 1 },
    data: { failCommands: ['insert'], writeConcernError: { code: 91 } },
  });
  const reply = await sendRaw(path, { insert: 'c', documents: [{ _id: 1 }] });
  expect(reply).toMatchObject({ ok: 1, n: 1 });
  expect(reply['writeConcernError']).toEqual({ code: 91 });
});
