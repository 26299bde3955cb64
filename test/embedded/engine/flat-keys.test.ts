import { ObjectId } from 'bson';
import { expect, test } from 'vitest';
import { createFindFlatKeys } from '../../../src/embedded/engine/indexes/flat-keys.js';
import { toIndexDefinition } from '../../../src/embedded/engine/indexes/index-definition.js';

const indexOf = (key: Record<string, 1 | -1>, more: object = {}) => toIndexDefinition({ name: 'any', key, ...more });
const open = { partialFilterExpression: { isOpen: true } };

test('indexes with the same fields share what makes their keys, whatever their filters are', () => {
  const find = createFindFlatKeys();
  const keys = find(indexOf({ user: 1, at: -1 }));
  expect(find(indexOf({ user: 1, at: -1 }, open))).toBe(keys);
  // Only how directions differ from the first one decides the keys.
  expect(find(indexOf({ user: -1, at: 1 }))).toBe(keys);
  for (const other of [{ user: 1, at: 1 }, { at: -1, user: 1 }, { user: 1 }] as const)
    expect(find(indexOf(other))).not.toBe(keys);
  expect(find(indexOf({ user: 1, at: -1 }, { collation: { locale: 'en', strength: 2 } }))).not.toBe(keys);
  expect(find(indexOf({ user: 1, 'at.day': -1 }))).toBeUndefined();
});

test('a key is that of its document, in whatever order documents are asked for', () => {
  const documents = Array.from({ length: 4 }, (_, at) => ({ _id: new ObjectId(), user: 'ann', at }));
  const definition = indexOf({ user: 1, at: -1 });
  const alone = documents.map((document) => createFindFlatKeys()(definition)?.keyOf(document));
  expect(new Set(alone).size).toBe(4);
  const keys = createFindFlatKeys()(definition);
  for (const position of [0, 1, 0, 1, 2, 0, 3, 3, 2, 1])
    expect(keys?.keyOf(documents[position] ?? {})).toBe(alone[position]);
  const list = { user: ['ann', 'bob'], at: 1 };
  expect([keys?.keyOf(list), keys?.keyOf(list)]).toEqual([undefined, undefined]);
});
