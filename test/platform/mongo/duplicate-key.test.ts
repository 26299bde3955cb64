import { createConnection, mongo } from 'mongoose';
import { expect, onTestFinished, test } from 'vitest';
import { isDuplicateKey } from '../../../src/platform/mongo/duplicate-key.js';
import { startDatabase } from '../../support/database.js';

const serverError = (fields: object): mongo.MongoServerError =>
  new mongo.MongoServerError(fields as { message: string });

/** How engines word code 11000 for the index `{ conversation_id: 1, sent_by: 1, UUID: -1 }`. */
const words = {
  MongoDB: 'E11000 duplicate key error collection: gs.messages index: conversation_id_1_sent_by_1_UUID_-1 dup key: { }',
  'an engine on PostgreSQL':
    "Duplicate key violation on the requested collection: Index 'conversation_id_1_sent_by_1_UUID_-1'",
  'an engine in another language': 'Doppelter Schlüssel im Index "conversation_id_1_sent_by_1_UUID_-1"',
};

test.each(Object.entries(words))('finds the fields in the index name in messages of %s', (_, errmsg) => {
  for (const field of ['conversation_id', 'sent_by', 'UUID']) {
    expect(isDuplicateKey(serverError({ code: 11_000, errmsg }), field), field).toBe(true);
  }
  for (const field of ['_id', 'conversation', 'id', 'sent', 'UUID_']) {
    expect(isDuplicateKey(serverError({ code: 11_000, errmsg }), field), field).toBe(false);
  }
});

test('prefers keyPattern to the message', () => {
  const error = serverError({ code: 11_000, keyPattern: { directKey: 1 }, errmsg: words.MongoDB });
  expect(isDuplicateKey(error, 'directKey')).toBe(true);
  expect(isDuplicateKey(error, 'UUID')).toBe(false);
});

test('distinguishes the _id index from others', () => {
  const error = serverError({
    code: 11_000,
    errmsg: 'E11000 duplicate key error collection: gs.m index: _id_ dup key: { }',
  });
  expect(isDuplicateKey(error, '_id')).toBe(true);
  expect(isDuplicateKey(error, 'UUID')).toBe(false);
});

test('is not misled by a value in the message', () => {
  const errmsg =
    'E11000 duplicate key error collection: gs.users index: account_1 dup key: { account: "index: UUID_1 UUID: 5" }';
  expect(isDuplicateKey(serverError({ code: 11_000, errmsg }), 'UUID')).toBe(false);
});

test.each([
  ['without an index', 'ein Dokument mit diesem Schlüssel besteht'],
  [
    'with an index name of its own',
    'E11000 duplicate key error collection: gs.m index: one-message-per-client dup key: { }',
  ],
])('treats a message %s as a duplicate of any field', (_, errmsg) => {
  expect(isDuplicateKey(serverError({ code: 11_000, errmsg }), 'UUID')).toBe(true);
});

test.each([11_000, 11_001, 12_582])('recognizes code %d', (code) => {
  expect(isDuplicateKey(serverError({ code, errmsg: '' }))).toBe(true);
});

test('treats no other error as a duplicate', () => {
  expect(isDuplicateKey(serverError({ code: 112, errmsg: words.MongoDB }))).toBe(false);
  expect(isDuplicateKey(new Error(words.MongoDB), 'UUID')).toBe(false);
  expect(isDuplicateKey(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))).toBe(false);
  for (const value of [undefined, null, 11_000, 'E11000', {}]) expect(isDuplicateKey(value)).toBe(false);
});

test('reads the errors of a bulk write, which have no key pattern', async () => {
  const database = await startDatabase();
  onTestFinished(() => database.stop());
  const connection = createConnection(database.url);
  onTestFinished(() => connection.close());
  await connection.asPromise();
  const notes = connection.collection<{ _id: number; author: string; UUID: string }>('notes');
  await notes.createIndex({ author: 1, UUID: 1 }, { unique: true });
  await notes.insertOne({ _id: 1, author: 'ann', UUID: 'a' });
  const failureOf = (documents: { _id: number; author: string; UUID: string }[]): Promise<unknown> =>
    notes.insertMany(documents, { ordered: false }).then(
      () => expect.fail('it was stored'),
      (error: unknown) => error,
    );

  const repeated = await failureOf([{ _id: 2, author: 'ann', UUID: 'a' }]);
  expect(isDuplicateKey(repeated, 'UUID')).toBe(true);
  expect(isDuplicateKey(repeated, '_id')).toBe(false);
  const mixed = await failureOf([
    { _id: 3, author: 'ann', UUID: 'a' },
    { _id: 1, author: 'bob', UUID: 'b' },
  ]);
  expect(isDuplicateKey(mixed)).toBe(true);
  expect(isDuplicateKey(mixed, 'UUID')).toBe(false);
});
