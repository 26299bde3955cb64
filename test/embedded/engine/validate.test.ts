import { describe, expect, test } from 'vitest';
import { byteLengthOf } from '../../../src/embedded/bson/size.js';
import { Collection } from '../../../src/embedded/engine/collection.js';
import { toIndexDefinition } from '../../../src/embedded/engine/indexes/index-definition.js';
import { validateCollection } from '../../../src/embedded/engine/validate.js';
import { createRandom } from '../../support/random.js';

type Fields = Record<string, unknown>;

const SPECS: readonly Fields[] = [
  { key: { a: 1 }, name: 'a' },
  { key: { a: -1, 'b.c': 1 }, name: 'a_b' },
  { key: { tags: 1, n: -1 }, name: 'tags_n' },
  { key: { n: 1 }, name: 'sparse', sparse: true },
  { key: { 'b.c': 1 }, name: 'partial', partialFilterExpression: { n: { $gt: 3 } } },
  { key: { a: 1 }, name: 'both', partialFilterExpression: { $and: [{ n: { $lte: 6 } }, { 'b.c': { $gt: 2 } }] } },
];

function createCollection(): Collection {
  const collection = new Collection({ id: 1, database: 'test', name: 'things', options: {} });
  for (const spec of SPECS) collection.addIndex(toIndexDefinition({ v: 2, ...spec }, undefined));
  return collection;
}

function put(collection: Collection, after: Fields): void {
  const key = collection.keyOf(after['_id']);
  const before = collection.records.get(key)?.document;
  collection.apply({ key, before, after, byteLength: byteLengthOf(after) });
}

function remove(collection: Collection, id: unknown): void {
  const key = collection.keyOf(id);
  const before = collection.records.get(key)?.document;
  if (before) collection.apply({ key, before, after: undefined, byteLength: 0 });
}

describe('validation', () => {
  test('finds no error after random writes', async () => {
    const random = createRandom(5);
    const collection = createCollection();
    for (let round = 0; round < 5000; round += 1) {
      const _id = random.integer(300);
      const a = random.pick<unknown>([1, 2.5, 'text', null, { c: 1 }]);
      const tags = random.pick<unknown>([[1, 2], [], [[1]], 'x', undefined]);
      const present = collection.records.get(collection.keyOf(_id))?.document;
      if (random.chance(0.2)) remove(collection, _id);
      else if (present && random.chance(0.5))
        put(collection, {
          ...present,
          ...random.pick<Fields>([{ a: 1 }, { n: random.integer(9) }, { x: 1 }, { b: { c: 5 } }]),
        });
      else
        put(collection, {
          _id,
          a,
          tags,
          b: random.pick([{ c: random.integer(9) }, [{ c: 1 }, { c: 2 }], 7]),
          n: random.integer(9),
        });
    }
    expect(collection.records.size).toBeGreaterThan(100);
    expect(await validateCollection(collection)).toEqual([]);
  });

  test.each<readonly [string, RegExp, (collection: Collection) => void]>([
    [
      'a missing entry',
      /_id 1 is missing in the index a$/,
      (collection) => {
        const record = collection.records.get(collection.keyOf(1));
        if (record) collection.indexes.get('a')?.delete(record, record.document);
      },
    ],
    [
      'an extra entry',
      /the index a has 3 entries, but 2/,
      (collection) => {
        const record = collection.records.get(collection.keyOf(1));
        if (record) collection.indexes.get('a')?.insert(record, { a: 'nowhere' });
      },
    ],
    [
      'a wrong size',
      /bytes/,
      (collection) => {
        collection.dataBytes += 1;
      },
    ],
    [
      'a wrong size of a document',
      /_id 1 has 21 bytes, but 22 are counted/,
      (collection) => {
        const record = collection.records.get(collection.keyOf(1));
        if (record) record.byteLength += 1;
        collection.dataBytes += 1;
      },
    ],
  ])('finds %s', async (_name, sentence, spoil) => {
    const collection = createCollection();
    put(collection, { _id: 1, a: 1 });
    put(collection, { _id: 2, a: 2 });
    expect(await validateCollection(collection)).toEqual([]);
    spoil(collection);
    expect(await validateCollection(collection)).toEqual([expect.stringMatching(sentence)]);
  });

  test('finds two documents with one key of a unique index', async () => {
    const collection = createCollection();
    put(collection, { _id: 1, u: 5 });
    put(collection, { _id: 2, u: 5 });
    collection
      .addIndex(toIndexDefinition({ v: 2, key: { u: 1 }, name: 'unique', unique: true }))
      .build(collection.records.values());
    expect(await validateCollection(collection)).toEqual([
      'the document with _id 1 has the same key as 2 in the unique index unique',
      'the document with _id 2 has the same key as 1 in the unique index unique',
    ]);
  });

  test('reports no error for writes that happen meanwhile, and lets them happen', async () => {
    const collection = createCollection();
    for (let _id = 0; _id < 3000; _id += 1) put(collection, { _id, a: _id, tags: [_id, 1, 2, 3], n: 5, b: { c: 5 } });
    const validated = validateCollection(collection);
    let isDone = false;
    void validated.finally(() => {
      isDone = true;
    });
    let turns = 0;
    for (; !isDone; turns += 1) {
      for (let n = 0; n < 10; n += 1) {
        const _id = (turns * 37 + n) % 3000;
        if (n % 3 === 0) remove(collection, _id);
        else put(collection, { _id, a: turns, tags: [turns], n });
      }
      await new Promise(setImmediate);
    }
    expect(await validated).toEqual([]);
    expect(turns).toBeGreaterThan(1);
  });
});
