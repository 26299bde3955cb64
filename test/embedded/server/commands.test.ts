import { mongo } from 'mongoose';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Document } from '../../../src/embedded/bson/values.js';
import { startEmbeddedDatabase } from '../../support/database.js';

/* The replies and error codes of MongoDB's documentation and of its server's behaviour, for commands on a collection. */

const { Long } = mongo;

let client: mongo.MongoClient;
let db: mongo.Db;

beforeAll(async () => {
  const database = await startEmbeddedDatabase();
  client = await new mongo.MongoClient(database.url).connect();
  db = client.db('commands');
  return async () => {
    await client.close();
    await database.stop();
  };
});

/** Every row finds a collection with these documents. */
beforeEach(async () => {
  await db.dropDatabase();
  await db.command({
    insert: 'c',
    documents: [
      { _id: 1, a: 1, b: [1, 2] },
      { _id: 2, a: 2, b: [2, 3] },
      { _id: 3, a: null },
    ],
  });
});

/** Commands before the last one, the last one, and what its reply contains; a code for its failure. */
type Row = readonly [commands: readonly Document[], expected: Document | number];

const index = (key: Document, more: Document = {}): Document => ({
  createIndexes: 'c',
  indexes: [{ key, name: Object.entries(key).flat().join('_'), ...more }],
});
const insert = (...documents: Document[]): Document => ({ insert: 'c', documents });
const update = (q: Document, u: unknown, more: Document = {}): Document => ({
  update: 'c',
  updates: [{ q, u, ...more }],
});
const modify = (more: Document): Document => ({ findAndModify: 'c', ...more });
const writeError = (code: number): Document => ({ writeErrors: [{ index: 0, code }] });

async function replyTo(commands: readonly Document[]): Promise<unknown> {
  let reply: Document = {};
  for (const [position, command] of commands.entries()) {
    try {
      reply = await db.command(command);
      if (position < commands.length - 1 && reply['writeErrors'] !== undefined) return reply;
    } catch (error) {
      if (position < commands.length - 1) throw error;
      return (error as mongo.MongoServerError).code;
    }
  }
  return reply;
}

function check(rows: readonly Row[]): void {
  test.each(rows.map(([commands, expected]) => ({ command: commands.at(-1), commands, expected })))(
    '$command',
    async ({ commands, expected }) => {
      const reply = await replyTo(commands);
      if (typeof expected === 'number') expect(reply).toBe(expected);
      else expect(reply).toMatchObject(expected);
    },
  );
}

const LIST = { listIndexes: 'c' };
const listed = (...specs: Document[]): Document => ({
  cursor: { firstBatch: [{ v: 2, key: { _id: 1 }, name: '_id_' }, ...specs.map((spec) => ({ v: 2, ...spec }))] },
});

describe('indexes', () => {
  check([
    [[index({ a: 1 })], { numIndexesBefore: 1, numIndexesAfter: 2, createdCollectionAutomatically: false, ok: 1 }],
    [
      [{ ...index({ a: 1 }), createIndexes: 'd' }],
      { numIndexesBefore: 1, numIndexesAfter: 2, createdCollectionAutomatically: true },
    ],
    [
      [index({ a: 1 }), index({ a: 1 })],
      { numIndexesBefore: 2, numIndexesAfter: 2, note: 'all indexes already exist' },
    ],
    [[index({ a: 1 }), index({ a: new Long(1) })], { note: 'all indexes already exist' }],
    [[index({ _id: 1 })], { note: 'all indexes already exist' }],
    [[index({ a: 1 }), index({ a: 1 }, { unique: true })], 86],
    [[index({ a: 1 }), index({ a: 1 }, { sparse: true })], 86],
    [[index({ a: 1 }), index({ a: 1 }, { collation: { locale: 'en' } })], 86],
    [[index({ a: 1 }), index({ a: 1 }, { partialFilterExpression: { b: 1 } })], 86],
    [[index({ a: 1 }), index({ a: -1 }, { name: 'a_1' })], 86],
    [[index({ a: 1 }), index({ a: 1 }, { expireAfterSeconds: 5 })], 85],
    [[index({ a: 1 }, { expireAfterSeconds: 5 }), index({ a: 1 }, { expireAfterSeconds: 6 })], 85],
    [[index({ a: 1 }), index({ a: 1 }, { hidden: true })], { note: 'all indexes already exist' }],
    [[index({ a: 1 }), index({ a: 1 }, { unique: false })], { note: 'all indexes already exist' }],
    [[index({ a: 1 }), index({ a: 1 }, { background: true })], { note: 'all indexes already exist' }],
    [[index({ a: 1 }), index({ a: 1 }, { name: 'other' })], 85],
    [[index({ a: 1 }), index({ a: 1 }, { name: 'other', expireAfterSeconds: 5 })], 85],
    [[index({ a: 1 }), index({ a: 1 }, { name: 'other', hidden: true })], 85],
    [[index({ a: 1 }), index({ a: 1 }, { name: 'other', unique: true })], { numIndexesAfter: 3 }],
    [[index({ a: 1 }), index({ a: 1 }, { name: 'other', sparse: true })], { numIndexesAfter: 3 }],
    [[index({ a: 1 }), index({ a: 1 }, { name: 'other', collation: { locale: 'en' } })], { numIndexesAfter: 3 }],
    [[index({ a: 1 }), index({ a: 1 }, { name: 'other', partialFilterExpression: { b: 1 } })], { numIndexesAfter: 3 }],
    [[index({ a: 1 }), index({ a: -1 })], { numIndexesAfter: 3 }],
    [
      [index({ a: 1 }, { unique: 1, hidden: false, background: true, sparse: true }), LIST],
      listed({ key: { a: 1 }, name: 'a_1', unique: true, sparse: true }),
    ],
    [[index({ a: 1 }, { unique: false }), LIST], listed({ key: { a: 1 }, name: 'a_1' })],
    [[index({ a: 1, 'b.c': -1 }), LIST], listed({ key: { a: 1, 'b.c': -1 }, name: 'a_1_b.c_-1' })],
    [
      [index({ a: 1 }, { partialFilterExpression: { b: { $gt: 5 } } }), LIST],
      listed({ key: { a: 1 }, partialFilterExpression: { b: { $gt: 5 } } }),
    ],
    [[index({ a: 1 }, { background: true, dropDups: false }), LIST], listed({ key: { a: 1 }, background: true })],
    [[index({ a: 1 }, { collation: { locale: 'en_US' } }), LIST], listed({ collation: { locale: 'en_US' } })],
    [[{ listIndexes: 'd' }], 26],
    [[{ createIndexes: 'c', indexes: [] }], 2],
    [[{ createIndexes: 'c', indexes: {} }], 14],
    [[{ createIndexes: 'c' }], 40414],
    [[{ createIndexes: 'c', indexes: [{ key: { a: 1 } }] }], 9],
    [[{ createIndexes: 'c', indexes: [{ name: 'a' }] }], 9],
    [[{ createIndexes: 'c', indexes: [{ key: 1, name: 'a' }] }], 14],
    [[{ createIndexes: 'c', indexes: [{ key: { a: 1 }, name: 1 }] }], 14],
    [[index({ a: 1 }, { name: '' })], 67],
    [[index({ a: 1 }, { name: '*' })], 2],
    [[index({ a: 1 }, { name: '_id_' })], 2],
    [[index({}, { name: 'none' })], 67],
    [[index({ a: 0 })], 67],
    [[index({ a: 'x' })], 67],
    [[index({ a: '' })], 67],
    [[index({ a: true })], 67],
    [[index({ a: Number.NaN })], 67],
    [[index({ 'a.': 1 })], 67],
    [[index({ $a: 1 })], 67],
    [[index({ 'a.$b': 1 })], 67],
    [[index({ 'a.$id': 1 })], { numIndexesAfter: 2 }],
    [[index({ a: 5 })], { numIndexesAfter: 2 }],
    [[index({ a: 1 }, { unique: 'yes' })], 14],
    [[index({ a: 1 }, { fast: true })], 197],
    [[index({ a: 1 }, { v: 3 })], 67],
    [[index({ a: 1 }, { v: 'x' })], 14],
    [[index({ a: 1 }, { v: 1 }), LIST], { cursor: { firstBatch: [{}, { v: 1, key: { a: 1 } }] } }],
    [[index({ a: 1 }, { expireAfterSeconds: -1 })], 67],
    [[index({ a: 1 }, { expireAfterSeconds: 2 ** 31 })], 67],
    [[index({ a: 1 }, { expireAfterSeconds: 'x' })], 14],
    [[index({ a: 1, b: 1 }, { expireAfterSeconds: 1 })], 67],
    [[index({ _id: 1 }, { expireAfterSeconds: 1 })], 197],
    [[index({ _id: 1 }, { sparse: true })], 197],
    [[index({ a: 1 }, { sparse: true, partialFilterExpression: { a: 1 } })], 67],
    [[index({ a: 1 }, { partialFilterExpression: 1 })], 14],
    [[index({ a: 1 }, { partialFilterExpression: { $expr: true } })], 224],
    [[index({ a: 1 }, { collation: 1 })], 14],
    [[index({ a: 1 }, { collation: {} })], 2],
    [[index({ a: 1 }, { collation: { locale: 'xx_none' } })], 2],
    [[index({ a: 1 }, { collation: { locale: 'simple' } }), LIST], listed({ key: { a: 1 }, name: 'a_1' })],
    [[index({ b: 1, c: 1 }), insert({ b: [1], c: [1] })], writeError(171)],
    [[insert({ b: [1], c: [1] }), index({ b: 1, c: 1 })], 171],
    [[{ dropIndexes: 'c', index: 'none' }], 27],
    [[{ dropIndexes: 'c', index: { x: 1 } }], 27],
    [[{ dropIndexes: 'c', index: '_id_' }], 72],
    [[{ dropIndexes: 'c', index: { _id: 1 } }], 72],
    [[{ dropIndexes: 'c', index: 1 }], 14],
    [[{ dropIndexes: 'c' }], 40414],
    [[{ dropIndexes: 'd', index: '*' }], 26],
    [[index({ a: 1 }), { dropIndexes: 'c', index: 'a_1' }], { nIndexesWas: 2, ok: 1 }],
    [[index({ a: 1 }), { dropIndexes: 'c', index: { a: 1 } }], { nIndexesWas: 2 }],
    [[index({ a: 1 }), index({ b: 1 }), { dropIndexes: 'c', index: ['a_1', 'b_1'] }], { nIndexesWas: 3 }],
    [[index({ a: 1 }), { dropIndexes: 'c', index: '*' }, LIST], listed()],
    [[index({ a: 1 }), index({ a: 1 }, { name: 'u', unique: true }), { dropIndexes: 'c', index: { a: 1 } }], 181],
    [[index({ a: 1 }), { dropIndexes: 'c', index: ['a_1', 'none'] }], 27],
    [[index({ a: 1 }), index({ a: 1 }, { name: 'u', unique: true }), { find: 'c', hint: { a: 1 } }], 27],
    [[index({ a: 1 }, { hidden: true }), { find: 'c', hint: 'a_1' }], 2],
  ]);
});

describe('duplicate keys', () => {
  const duplicate = (keyPattern: Document, keyValue: Document): Document => ({
    writeErrors: [{ index: 0, code: 11000, keyPattern, keyValue }],
  });
  check([
    [[insert({ _id: 1 })], duplicate({ _id: 1 }, { _id: 1 })],
    [[insert({ _id: new mongo.Double(1) })], duplicate({ _id: 1 }, { _id: 1 })],
    [[index({ a: 1 }, { unique: true }), insert({ a: 2 })], duplicate({ a: 1 }, { a: 2 })],
    [[index({ a: 1 }, { unique: true }), insert({ x: 2 })], duplicate({ a: 1 }, { a: null })],
    [[index({ a: 1 }, { unique: true }), insert({ a: [7, 7] })], { n: 1 }],
    [[index({ a: 1 }, { unique: true }), insert({ a: [7, 2] })], duplicate({ a: 1 }, { a: 2 })],
    [[index({ a: 1, b: 1 }, { unique: true }), insert({ a: 2, b: 3 })], duplicate({ a: 1, b: 1 }, { a: 2, b: 3 })],
    [[index({ c: 1 }, { unique: true })], 11000],
    [[index({ c: 1 }, { unique: true, sparse: true }), insert({ a: 1 })], { n: 1 }],
    [
      [index({ c: 1 }, { unique: true, sparse: true }), insert({ c: null }), insert({ c: null })],
      duplicate({ c: 1 }, { c: null }),
    ],
    [
      [
        index({ c: 1 }, { unique: true, partialFilterExpression: { d: 1 } }),
        insert({ c: 1, d: 1 }),
        insert({ c: 1, d: 2 }),
        insert({ c: 1, d: 1 }),
      ],
      duplicate({ c: 1 }, { c: 1 }),
    ],
    [[index({ a: 1 }, { unique: true }), update({ _id: 1 }, { $set: { a: 2 } })], duplicate({ a: 1 }, { a: 2 })],
    [[index({ a: 1 }, { unique: true }), modify({ query: { _id: 1 }, update: { a: 2 } })], 11000],
    [[update({ a: 5, _id: 1 }, { $set: { x: 1 } }, { upsert: true })], duplicate({ _id: 1 }, { _id: 1 })],
    [
      [{ ...insert({ _id: 1 }, { _id: 7 }, { _id: 2 }), ordered: false }],
      { n: 1, writeErrors: [{ index: 0 }, { index: 2 }] },
    ],
    [[insert({ _id: 7 }, { _id: 1 }, { _id: 8 })], { n: 1, writeErrors: [{ index: 1, code: 11000 }] }],
  ]);
});

describe('collMod', () => {
  const change = (change: Document): Document => ({ collMod: 'c', index: change });
  const ttl = index({ a: 1 }, { expireAfterSeconds: 5 });
  check([
    [
      [ttl, change({ name: 'a_1', expireAfterSeconds: 9 })],
      { expireAfterSeconds_old: 5, expireAfterSeconds_new: 9, ok: 1 },
    ],
    [
      [ttl, change({ keyPattern: { a: 1 }, expireAfterSeconds: 9 }), LIST],
      listed({ key: { a: 1 }, expireAfterSeconds: 9 }),
    ],
    [[index({ a: 1 }), change({ name: 'a_1', expireAfterSeconds: 9 })], { expireAfterSeconds_new: 9 }],
    [[index({ a: 1, b: 1 }), change({ name: 'a_1_b_1', expireAfterSeconds: 9 })], 72],
    [[ttl, change({ name: 'a_1', expireAfterSeconds: -1 })], 72],
    [[ttl, change({ name: 'a_1', expireAfterSeconds: 'x' })], 14],
    [[index({ a: 1 }), change({ name: 'a_1', hidden: true })], { hidden_old: false, hidden_new: true }],
    [
      [index({ a: 1 }, { hidden: true }), change({ name: 'a_1', hidden: false })],
      { hidden_old: true, hidden_new: false },
    ],
    [
      [index({ a: 1 }, { hidden: true }), change({ name: 'a_1', hidden: false }), LIST],
      listed({ key: { a: 1 }, name: 'a_1' }),
    ],
    [[change({ name: '_id_', hidden: true })], 2],
    [[change({ name: 'none', hidden: true })], 27],
    [[change({ keyPattern: { z: 1 }, hidden: true })], 27],
    [[change({ name: 'a_1', keyPattern: { a: 1 }, hidden: true })], 72],
    [[change({ hidden: true })], 72],
    [[index({ a: 1 }), change({ name: 'a_1' })], 72],
    [[index({ a: 1 }), change({ name: 'a_1', fast: true })], 40415],
    [
      [index({ a: 1 }), index({ a: 1 }, { name: 'u', unique: true }), change({ keyPattern: { a: 1 }, hidden: true })],
      181,
    ],
    [[{ collMod: 'd', index: { name: 'a_1', hidden: true } }], 26],
    [[{ collMod: 'c' }], { ok: 1 }],
  ]);
});

describe('findAndModify', () => {
  check([
    [
      [modify({ query: { _id: 1 }, update: { $inc: { a: 1 } } })],
      { value: { _id: 1, a: 1 }, lastErrorObject: { n: 1, updatedExisting: true } },
    ],
    [[modify({ query: { _id: 1 }, update: { $inc: { a: 1 } }, new: true })], { value: { _id: 1, a: 2 } }],
    [
      [modify({ query: { _id: 1 }, update: { $inc: { a: 1 } }, new: true, fields: { a: 1, _id: 0 } })],
      { value: { a: 2 } },
    ],
    [
      [modify({ query: { _id: 9 }, update: { $inc: { a: 1 } } })],
      { value: null, lastErrorObject: { n: 0, updatedExisting: false } },
    ],
    [
      [modify({ query: { _id: 9 }, update: { $inc: { a: 1 } }, upsert: true })],
      { value: null, lastErrorObject: { n: 1, updatedExisting: false, upserted: 9 } },
    ],
    [[modify({ query: { _id: 9 }, update: { $inc: { a: 1 } }, upsert: true, new: true })], { value: { _id: 9, a: 1 } }],
    [[modify({ query: {}, sort: { a: -1 }, update: { $set: { x: 1 } } })], { value: { _id: 2 } }],
    [[modify({ query: {}, sort: { a: 1 }, remove: true })], { value: { _id: 3 }, lastErrorObject: { n: 1 } }],
    [[modify({ query: { _id: 9 }, remove: true })], { value: null, lastErrorObject: { n: 0 } }],
    [[modify({ query: { _id: 1 }, remove: true, fields: { a: 1 } })], { value: { _id: 1, a: 1 } }],
    [
      [modify({ query: { b: 2 }, update: { $set: { 'b.$': 9 } }, new: true, sort: { _id: 1 } })],
      { value: { _id: 1, b: [1, 9] } },
    ],
    [[modify({ query: { _id: 1 }, update: [{ $set: { a: { $add: ['$a', 5] } } }], new: true })], { value: { a: 6 } }],
    [
      [modify({ query: { _id: 1 }, update: { $set: { 'b.$[x]': 0 } }, arrayFilters: [{ x: 2 }], new: true })],
      { value: { b: [1, 0] } },
    ],
    [[modify({ query: { _id: 1 } })], 9],
    [[modify({ remove: true, update: {} })], 9],
    [[modify({ remove: true, new: true })], 9],
    [[modify({ remove: true, upsert: true })], 9],
    [[modify({ remove: true, arrayFilters: [{ x: 1 }] })], 9],
    [[modify({ query: { _id: 1 }, update: 1 })], 9],
    [[modify({ query: { _id: 1 }, update: { $what: 1 } })], 9],
    [[modify({ query: { _id: 1 }, update: { $set: { _id: 5 } } })], 66],
    [[modify({ query: { _id: 1 }, update: {}, fast: 1 })], 40415],
    [[modify({ query: 1, update: {} })], 14],
    [[modify({ query: {}, update: {}, sort: 1 })], 14],
    [[modify({ query: {}, update: {}, hint: 'none' })], 2],
    [[modify({ query: { $expr: true }, update: {}, upsert: true })], 224],
    [[{ findAndModify: 'd', query: {}, update: { $what: 1 } }], 9],
    [[{ findAndModify: 'd', query: { $what: 1 }, update: {} }], 2],
    [[{ findAndModify: 'd', query: {}, update: { $set: { a: 1 } } }], { value: null }],
    [[{ findAndModify: 'd', query: {}, remove: true }], { value: null, lastErrorObject: { n: 0 } }],
  ]);
});

describe('update', () => {
  const upsert = { upsert: true };
  const found = { find: 'c', filter: { _id: 9 } };
  const first = (document: Document): Document => ({ cursor: { firstBatch: [document] } });
  check([
    [[update({}, { $set: { x: 1 } })], { n: 1, nModified: 1 }],
    [[update({}, { $set: { x: 1 } }, { multi: true })], { n: 3, nModified: 3 }],
    [[update({ _id: 1 }, { $set: { a: 1 } })], { n: 1, nModified: 0 }],
    [[update({ _id: 9, a: 1 }, { $set: { b: 2 } }, upsert)], { n: 1, nModified: 0, upserted: [{ index: 0, _id: 9 }] }],
    [[update({ _id: 9, 'a.b': 1 }, { $set: { 'a.c': 2 } }, upsert), found], first({ _id: 9, a: { b: 1, c: 2 } })],
    [[update({ _id: 9, a: { $gt: 1 } }, { $set: { b: 2 } }, upsert), found], first({ _id: 9, b: 2 })],
    [[update({ _id: 9, a: { $eq: 1 } }, { $inc: { a: 2 } }, upsert), found], first({ _id: 9, a: 3 })],
    [[update({ _id: 9, a: [1, 2] }, { $set: { 'a.$[]': 5 } }, upsert), found], first({ _id: 9, a: [5, 5] })],
    [[update({ _id: 9 }, { $setOnInsert: { a: 1 }, $push: { l: 1 } }, upsert), found], first({ _id: 9, a: 1, l: [1] })],
    [[update({ _id: 9, a: 4 }, [{ $set: { b: '$a' } }], upsert), found], first({ _id: 9, a: 4, b: 4 })],
    [[update({ _id: 9, a: 4 }, { b: 1 }, upsert), found], first({ _id: 9, b: 1 })],
    [[update({ a: 77 }, { $setOnInsert: { _id: 9 } }, upsert), found], first({ _id: 9, a: 77 })],
    [[update({ _id: 9 }, { $setOnInsert: { _id: 8 } }, upsert)], writeError(66)],
    [[update({ _id: 9 }, { _id: 8 }, upsert)], writeError(66)],
    [[update({ _id: 9 }, [{ $set: { _id: 8 } }], upsert)], writeError(66)],
    [[update({ '_id.x': 9 }, { a: 1 }, upsert)], writeError(111)],
    [[update({ '_id.x': 9 }, { $set: { a: 1 } }, upsert)], writeError(111)],
    [[update({ a: 9, $and: [{ a: 8 }] }, { $set: { b: 1 } }, upsert)], writeError(54)],
    [[update({ a: 9, 'a.b': 8 }, { $set: { b: 1 } }, upsert)], writeError(54)],
    [[update({ a: 9 }, { $set: { 'a.b': 1 } }, upsert)], writeError(28)],
    [[update({ $expr: { $eq: ['$a', 9] } }, { $set: { b: 1 } }, upsert)], writeError(224)],
    [[update({ a: 9 }, { $set: { 'b.$': 1 } }, upsert)], writeError(2)],
    [[update({ _id: [9] }, { $set: { b: 1 } }, upsert)], writeError(53)],
    [[update({}, { x: 1 }, { multi: true })], writeError(9)],
    [[update({ $what: 1 }, { $set: { x: 1 } })], writeError(2)],
    [[update({}, 1)], 9],
    [[update({}, { $set: { x: 1 } }, { c: { n: 1 } })], writeError(51198)],
    [[update({ _id: 1 }, [{ $set: { x: '$$n' } }], { c: { n: 1 } })], { nModified: 1 }],
    [[update({}, { $set: { x: 1 } }, { arrayFilters: 1 })], 14],
    [[update({}, { $set: { x: 1 } }, { arrayFilters: [1] })], 14],
    [[update({}, { $set: { x: 1 } }, { hint: 'none' })], writeError(2)],
    [[update({}, { $set: { x: 1 } }, { sort: { a: 1 }, multi: true })], 9],
    [
      [update({ a: { $gte: 1 } }, { $set: { a: 10 } }, { sort: { a: -1 } }), { find: 'c', filter: { a: 10 } }],
      first({ _id: 2 }),
    ],
    [[{ update: 'c', updates: [] }], 16],
    [[{ update: 'c', updates: 1 }], 14],
    [[{ update: 'c' }], 40414],
    [[{ delete: 'c', deletes: [{ q: {}, limit: 2 }] }], 9],
    [[{ delete: 'c', deletes: [{ q: {}, limit: 1 }] }], { n: 1 }],
    [[{ delete: 'c', deletes: [{ q: { $what: 1 }, limit: 1 }] }], writeError(2)],
    [[insert({ _id: [1] })], writeError(53)],
    [[insert({ _id: { $a: 1 } })], writeError(52)],
    [[insert({ _id: mongo.BSONRegExp ? new mongo.BSONRegExp('a') : /a/ })], writeError(53)],
    [[insert({ $a: 1 })], { n: 1 }],
    [[insert({ 'a.b': 1 })], { n: 1 }],
    [[{ insert: 'c', documents: [] }], 16],
  ]);
});

describe('reads and cursors', () => {
  const batch = (...documents: Document[]): Document => ({ cursor: { firstBatch: documents } });
  check([
    [[{ find: 'c', batchSize: 0 }], { cursor: { firstBatch: [], ns: 'commands.c' } }],
    [[{ find: 'c', batchSize: 1, singleBatch: true }], { cursor: { firstBatch: [{ _id: 1 }], id: 0 } }],
    [[{ find: 'c', limit: 1 }], { cursor: { firstBatch: [{ _id: 1 }], id: 0 } }],
    [[{ find: 'c', limit: -1 }], 51024],
    [[{ find: 'c', skip: -1 }], 51024],
    [[{ find: 'c', batchSize: -1 }], 51024],
    [[{ find: 'c', filter: 1 }], 14],
    [[{ find: 'c', sort: 1 }], 14],
    [[{ find: 'c', projection: 1 }], 14],
    [[{ find: 'c', collation: 1 }], 14],
    [[{ find: 'c', hint: 1 }], 9],
    [[{ find: 'c', hint: 'none' }], 2],
    [[{ find: 'c', let: 1 }], 14],
    [[{ find: 'c', noCursorTimeout: true, allowPartialResults: true }], { ok: 1 }],
    [[{ find: 'c', noCursorTimeout: 1 }], 14],
    [[{ find: 1 }], 73],
    [[{ find: '' }], 73],
    [[{ find: 'd' }], { cursor: { firstBatch: [], id: 0 } }],
    [[{ getMore: new Long(5), collection: 'c' }], 43],
    [[{ getMore: 'x', collection: 'c' }], 14],
    [[{ getMore: new Long(5) }], 40414],
    [[{ getMore: new Long(5), collection: 'c', batchSize: -1 }], 51024],
    [
      [{ killCursors: 'c', cursors: [new Long(5)] }],
      { cursorsKilled: [], cursorsNotFound: [5], cursorsAlive: [], cursorsUnknown: [] },
    ],
    [[{ killCursors: 'c' }], 40414],
    [[{ killCursors: 'c', cursors: 1 }], 14],
    [[{ count: 'c' }], { n: 3 }],
    [[{ count: 'c', query: { a: 1 } }], { n: 1 }],
    [[{ count: 'c', query: {}, limit: -2 }], { n: 2 }],
    [[{ count: 'c', skip: 1, limit: 5 }], { n: 2 }],
    [[{ count: 'c', skip: -1 }], 51024],
    [[{ count: 'c', query: 1 }], 14],
    [[{ count: 'd' }], { n: 0 }],
    [[{ distinct: 'c', key: 'b' }], { values: [1, 2, 3] }],
    [[{ distinct: 'c', key: 'a' }], { values: [null, 1, 2] }],
    [[{ distinct: 'c', key: 'z' }], { values: [] }],
    [[{ distinct: 'c', key: 'b', query: { a: 1 } }], { values: [1, 2] }],
    [[{ distinct: 'c' }], 40414],
    [[{ distinct: 'c', key: 1 }], 14],
    [[{ distinct: 'c', key: 'a', query: 1 }], 14],
    [[{ distinct: 'd', key: 'a' }], { values: [] }],
    [[{ aggregate: 'c', pipeline: [] }], 9],
    [[{ aggregate: 'c', cursor: {} }], 40414],
    [[{ aggregate: 'c', pipeline: 1, cursor: {} }], 14],
    [[{ aggregate: 'c', pipeline: [1], cursor: {} }], 14],
    [[{ aggregate: 'c', pipeline: [], cursor: 1 }], 14],
    [[{ aggregate: 'c', pipeline: [], cursor: { batchSize: -1 } }], 51024],
    [[{ aggregate: 'c', pipeline: [], cursor: { fast: 1 } }], 40415],
    [[{ aggregate: 'c', pipeline: [{ $match: { _id: 2 } }], cursor: {} }], batch({ _id: 2 })],
  ]);
});

describe('collections', () => {
  const names = (...found: string[]): Document => ({ cursor: { firstBatch: found.map((name) => ({ name })) } });
  check([
    [[{ create: 'd' }], { ok: 1 }],
    [[{ create: 'c' }], { ok: 1 }],
    [[{ create: 'c', capped: true, size: 1000 }], 48],
    [[{ create: 'd', capped: true }], 72],
    [[{ create: 'd', capped: true, size: -1 }], 51024],
    [[{ create: 'd', size: 100 }], 72],
    [[{ create: 'd', fast: true }], 40415],
    [[{ create: '' }], 73],
    [[{ create: '.d' }], 73],
    [[{ create: '$d' }], 73],
    [[{ create: 1 }], 73],
    [[{ create: 'd', collation: { locale: 'none' } }], 2],
    [[{ drop: 'c' }], { nIndexesWas: 1, ns: 'commands.c' }],
    [[{ drop: 'd' }], { ok: 1 }],
    [[{ create: 'd' }, { listCollections: 1, filter: { name: 'd' } }], names('d')],
    [[{ listCollections: 1, filter: { type: 'view' } }], { cursor: { firstBatch: [] } }],
    [[{ listCollections: 1, nameOnly: true }], names('c')],
    [[{ listCollections: 1, filter: 1 }], 14],
    [[{ listCollections: 1, cursor: { batchSize: 0 } }], { cursor: { firstBatch: [] } }],
    [[{ dropDatabase: 1 }], { dropped: 'commands', ok: 1 }],
    [[{ dbStats: 1 }], { db: 'commands', collections: 1, objects: 3, ok: 1 }],
    [[{ collStats: 'c' }], { ns: 'commands.c', count: 3, nindexes: 1, ok: 1 }],
    [[{ collStats: 'd' }], { count: 0, ok: 1 }],
    [[{ endSessions: [] }], { ok: 1 }],
    [[{ endSessions: 1 }], 14],
    [[{ refreshSessions: [] }], { ok: 1 }],
    [[{ killSessions: [] }], { ok: 1 }],
    [[{ killAllSessions: [] }], { ok: 1 }],
    [[{ startSession: 1 }], { ok: 1 }],
    [[{ renameCollection: 'commands.c', to: 'commands.d' }], 13],
    [[{ bulkWrite: 1, ops: [], nsInfo: [] }], 13],
    [[{ listDatabases: 1 }], 13],
    [[{ explain: { find: 'c' } }], { queryPlanner: { winningPlan: { stage: 'COLLSCAN' } } }],
    [[{ explain: { what: 'c' } }], 59],
    [[{ explain: 1 }], 14],
  ]);
});
