import { Decimal128, Double, Long, Timestamp } from 'bson';
import { describe, expect, test } from 'vitest';
import { compileFilter } from '../../../src/embedded/query/filters/filter.js';
import { compileUpdate } from '../../../src/embedded/query/updates/compile-update.js';
import type { UpdateOptions } from '../../../src/embedded/query/updates/update.js';

type Fields = Record<string, unknown>;

/** Applies an update, and checks that it does not modify the document. */
function applied(document: Fields, update: Fields | Fields[], options: UpdateOptions = {}): Fields {
  const before = structuredClone(document);
  const after = compileUpdate(update, options).apply(document);
  expect(document).toEqual(before);
  return after;
}

const NOW = new Date('2026-01-02T03:04:05Z');

const CASES: readonly (readonly [name: string, before: Fields, update: Fields, after: Fields])[] = [
  ['$set: replaces', { a: 1 }, { $set: { a: 2 } }, { a: 2 }],
  ['$set: creates embedded documents', { a: 1 }, { $set: { 'b.c.d': 2 } }, { a: 1, b: { c: { d: 2 } } }],
  [
    '$set: adds new fields by name',
    {},
    { $set: { b: 1, a: 1, 'c.10': 1, 'c.2': 1 } },
    { a: 1, b: 1, c: { 2: 1, 10: 1 } },
  ],
  ['$set: into an array', { a: [1, 2] }, { $set: { 'a.1': 5 } }, { a: [1, 5] }],
  ['$set: beyond the end of an array', { a: [1] }, { $set: { 'a.3': 5 } }, { a: [1, null, null, 5] }],
  ['$set: a document in an array', { a: [{ b: 1 }, { b: 2 }] }, { $set: { 'a.1.b': 5 } }, { a: [{ b: 1 }, { b: 5 }] }],
  ['$set: two fields of one document', { a: { b: 1, c: 2 } }, { $set: { 'a.b': 3, 'a.c': 4 } }, { a: { b: 3, c: 4 } }],
  ['$set: another type of the same number', { a: 1 }, { $set: { a: new Double(1) } }, { a: new Double(1) }],
  ['$set: null is a value', { a: 1 }, { $set: { a: null, b: null } }, { a: null, b: null }],
  ['$set: a name that contains a dollar', { a: 1 }, { $set: { a$b: 2 } }, { a: 1, a$b: 2 }],
  ['$setOnInsert: has no effect on an update', { a: 1 }, { $setOnInsert: { a: 2, b: 3 } }, { a: 1 }],
  ['$unset: removes', { a: 1, b: { c: 1, d: 2 } }, { $unset: { a: '', 'b.c': '' } }, { b: { d: 2 } }],
  ['$unset: a missing field', { a: 1 }, { $unset: { 'b.c': '' } }, { a: 1 }],
  ['$unset: leaves null in an array', { a: [1, 2, 3] }, { $unset: { 'a.1': '' } }, { a: [1, null, 3] }],
  ['$inc: adds', { a: 1, b: { c: 2 } }, { $inc: { a: 2, 'b.c': -3 } }, { a: 3, b: { c: -1 } }],
  ['$inc: creates a missing field', {}, { $inc: { a: 2 } }, { a: 2 }],
  ['$inc: an int32 overflows to a long', { a: 2 ** 31 - 1 }, { $inc: { a: 1 } }, { a: Long.fromNumber(2 ** 31) }],
  [
    '$inc: promotes to the wider type',
    { a: 1 },
    { $inc: { a: Decimal128.fromString('0.5') } },
    { a: Decimal128.fromString('1.5') },
  ],
  ['$mul: multiplies', { a: 3 }, { $mul: { a: 2.5 } }, { a: 7.5 }],
  ['$mul: a missing field is zero', {}, { $mul: { a: Long.fromNumber(4) } }, { a: Long.fromNumber(0) }],
  ['$min: takes the lower', { a: 5, b: 5 }, { $min: { a: 3, b: 7 } }, { a: 3, b: 5 }],
  ['$max: takes the higher, across types', { a: 5, b: 5 }, { $max: { a: 7, b: 'text' } }, { a: 7, b: 'text' }],
  [
    '$currentDate',
    {},
    { $currentDate: { a: true, b: { $type: 'timestamp' } } },
    { a: NOW, b: new Timestamp({ t: NOW.getTime() / 1000, i: 1 }) },
  ],
  ['$bit', { a: 13 }, { $bit: { a: { and: 10, or: 1 } } }, { a: 9 }],
  ['$rename', { a: 1, b: 2 }, { $rename: { a: 'c.d' } }, { b: 2, c: { d: 1 } }],
  ['$rename: a missing field', { b: 2 }, { $rename: { a: 'b' } }, { b: 2 }],
  ['$push', { a: [1] }, { $push: { a: 2, b: 3 } }, { a: [1, 2], b: [3] }],
  ['$push: with clauses', { a: [3] }, { $push: { a: { $each: [1, 2, 9], $sort: -1, $slice: 3 } } }, { a: [9, 3, 2] }],
  ['$push: at a position', { a: [1, 4] }, { $push: { a: { $each: [2, 3], $position: 1 } } }, { a: [1, 2, 3, 4] }],
  ['$addToSet', { a: [1, { b: 1 }] }, { $addToSet: { a: { $each: [1, { b: 1 }, 2] } } }, { a: [1, { b: 1 }, 2] }],
  ['$pop: the last and the first', { a: [1, 2], b: [1, 2] }, { $pop: { a: 1, b: -1 } }, { a: [1], b: [2] }],
  ['$pull: by filter', { a: [{ n: 1 }, { n: 5 }] }, { $pull: { a: { n: { $gt: 2 } } } }, { a: [{ n: 1 }] }],
  ['$pullAll', { a: [1, 2, 1, 3] }, { $pullAll: { a: [1, 3] } }, { a: [2] }],
  ['$[]: every element', { a: [{ n: 1 }, { n: 2 }] }, { $inc: { 'a.$[].n': 1 } }, { a: [{ n: 2 }, { n: 3 }] }],
  ['several operators', { a: 1, b: 1 }, { $set: { c: 1 }, $inc: { a: 1 }, $unset: { b: '' } }, { a: 2, c: 1 }],
  ['a replacement', { _id: 1, a: 1 }, { b: 2 }, { _id: 1, b: 2 }],
];

const FAILURES: readonly (readonly [name: string, before: Fields, update: Fields, codeName: string])[] = [
  ['an unknown operator', {}, { $sett: { a: 1 } }, 'FailedToParse'],
  ['an operator without fields', {}, { $set: 1 }, 'FailedToParse'],
  ['the same path twice', {}, { $set: { a: 1 }, $inc: { a: 1 } }, 'ConflictingUpdateOperators'],
  ['a path and a path below it', {}, { $set: { 'a.b.c': 1, 'a.b': 2 } }, 'ConflictingUpdateOperators'],
  ['a rename onto another path', {}, { $rename: { a: 'b' }, $set: { b: 1 } }, 'ConflictingUpdateOperators'],
  ['an empty path', {}, { $set: { '': 1 } }, 'EmptyFieldName'],
  ['an empty name in a path', {}, { $set: { 'a..b': 1 } }, 'EmptyFieldName'],
  ['an empty name after an array operator', {}, { $set: { 'a.$[].': 1 } }, 'EmptyFieldName'],
  ['a field that starts with a dollar', {}, { $set: { $a: 1 } }, 'DollarPrefixedFieldName'],
  ['a path through a number', { a: 1 }, { $set: { 'a.b': 1 } }, 'PathNotViable'],
  ['a name in an array', { a: [1] }, { $set: { 'a.b': 1 } }, 'PathNotViable'],
  ['another _id', { _id: 1 }, { $set: { _id: 2 } }, 'ImmutableField'],
  ['no _id', { _id: 1 }, { $unset: { _id: '' } }, 'ImmutableField'],
  ['a replacement with another _id', { _id: 1 }, { _id: 2 }, 'ImmutableField'],
  ['$inc of a string', { a: 'x' }, { $inc: { a: 1 } }, 'TypeMismatch'],
  ['$inc by a string', { a: 1 }, { $inc: { a: 'x' } }, 'TypeMismatch'],
  ['$inc that overflows a long', { a: Long.MAX_VALUE }, { $inc: { a: 1 } }, 'BadValue'],
  ['$push to a value that is not an array', { a: 1 }, { $push: { a: 1 } }, 'BadValue'],
  ['$rename through an array', { a: [{ b: 1 }] }, { $rename: { 'a.0.b': 'c' } }, 'BadValue'],
  ['$rename of dynamic paths', { a: [1] }, { $rename: { 'a.$[]': 'c' } }, 'BadValue'],
  ['$[] on a value that is not an array', { a: 1 }, { $set: { 'a.$[]': 1 } }, 'BadValue'],
  ['$ without a match', { a: [1] }, { $set: { 'a.$': 1 } }, 'BadValue'],
];

describe('an update', () => {
  test.each(CASES)('%s', (_name, before, update, after) => {
    const changed = applied(before, update, { now: NOW });
    expect(changed).toEqual(after);
    expect(Object.keys(changed)).toEqual(Object.keys(after));
  });

  test.each(FAILURES)('rejects %s', (_name, before, update, codeName) => {
    expect(() => applied(before, update)).toThrow(expect.objectContaining({ codeName }));
  });

  test('returns the same document when nothing changes', () => {
    const document = { a: 1, b: { c: [1] }, d: null };
    for (const update of [
      { $set: { a: 1, 'b.c.0': 1, d: null } },
      { $inc: { a: 0 } },
      { $unset: { x: '', 'b.y': '' } },
      { $max: { a: 0 } },
      { $addToSet: { 'b.c': 1 } },
      { $rename: { x: 'y' } },
    ]) {
      expect(compileUpdate(update).apply(document)).toBe(document);
    }
  });

  test('copies only what it changes', () => {
    const document = { a: { n: 1 }, b: { list: [{ n: 1 }, { n: 2 }] } };
    const changed = applied(document, { $set: { 'b.list.1.n': 3 } }) as typeof document;
    expect(changed.a).toBe(document.a);
    expect(changed.b.list[0]).toBe(document.b.list[0]);
    expect(changed.b.list).toEqual([{ n: 1 }, { n: 3 }]);
  });

  test('can be applied to several documents', () => {
    const update = compileUpdate({ $inc: { n: 1 }, $push: { 'log.list': 'x' } });
    const first = update.apply({ n: 1, log: { list: ['a'] } });
    const second = update.apply({ n: 10 });
    expect([first, second, update.apply(first)]).toEqual([
      { n: 2, log: { list: ['a', 'x'] } },
      { n: 11, log: { list: ['x'] } },
      { n: 3, log: { list: ['a', 'x', 'x'] } },
    ]);
  });

  test('applies $ to the element that the filter matched, and $[name] to those of an array filter', () => {
    const matcher = compileFilter({ 'a.n': 2 });
    const document = { a: [{ n: 1 }, { n: 2 }, { n: 3 }] };
    expect(applied(document, { $set: { 'a.$.n': 9 } }, { matcher })).toEqual({ a: [{ n: 1 }, { n: 9 }, { n: 3 }] });
    const arrayFilters = [{ 'e.n': { $gte: 2 } }];
    expect(applied(document, { $inc: { 'a.$[e].n': 10 } }, { arrayFilters })).toEqual({
      a: [{ n: 1 }, { n: 12 }, { n: 13 }],
    });
    expect(() => compileUpdate({ $set: { b: 1 } }, { arrayFilters })).toThrow('was not used in the update');
  });

  test.each<[name: string, before: Fields, update: Fields, arrayFilters: Fields[], after: Fields]>([
    [
      'a field of the filter is changed first',
      { a: [{ x: 1 }] },
      { $set: { 'a.$[e].x': 2, 'a.$[e].y': 1 } },
      [{ 'e.x': 1 }],
      { a: [{ x: 2, y: 1 }] },
    ],
    [
      'another filter changes a field of this one',
      { a: [{ x: 1 }, { x: 2 }] },
      { $set: { 'a.$[e].x': 2, 'a.$[f].z': 1 } },
      [{ 'e.x': 1 }, { 'f.x': 2 }],
      { a: [{ x: 2 }, { x: 2, z: 1 }] },
    ],
    [
      'every element is changed first',
      { a: [{ x: 1 }, { x: 2 }] },
      { $inc: { 'a.$[].x': 1 }, $set: { 'a.$[e].y': 1 } },
      [{ 'e.x': 2 }],
      { a: [{ x: 2 }, { x: 3, y: 1 }] },
    ],
    [
      'arrays in arrays',
      { a: [{ n: 1, b: [{ m: 1 }, { m: 2 }] }] },
      { $set: { 'a.$[e].n': 5, 'a.$[e].b.$[f].k': 1, 'a.$[].b.$[].m': 2 } },
      [{ 'e.n': 1 }, { 'f.m': 2 }],
      { a: [{ n: 5, b: [{ m: 2 }, { m: 2, k: 1 }] }] },
    ],
    [
      'a filter that holds only after the update',
      { a: [{ x: 1 }] },
      { $set: { 'a.$[].x': 2, 'a.$[e].y': 1 } },
      [{ 'e.x': 2 }],
      { a: [{ x: 2 }] },
    ],
  ])(
    'selects the elements of array filters before it changes anything: %s',
    (_name, before, update, arrayFilters, after) => {
      expect(applied(before, update, { arrayFilters })).toEqual(after);
    },
  );

  test.each<[name: string, update: Fields, arrayFilters: Fields[], message: string]>([
    ['a position and every element', { $set: { 'a.$[].x': 1, 'a.0.y': 1 } }, [], "would create a conflict at 'a'"],
    [
      'the matched element and an array filter',
      { $set: { 'a.$.x': 1, 'a.$[e].y': 1 } },
      [{ 'e.x': 1 }],
      "would create a conflict at 'a'",
    ],
    [
      'two filters that select the same element',
      { $set: { 'a.$[e].x': 1, 'a.$[f].x': 2 } },
      [{ 'e.x': 1 }, { 'f.x': { $gt: 0 } }],
      "Update created a conflict at 'a.0.x'",
    ],
    [
      'a position that is the matched one',
      { $set: { 'a.$.x': 1, 'a.0.x': 2 } },
      [],
      "Update created a conflict at 'a.0.x'",
    ],
  ])('rejects writing the same element twice: %s', (_name, update, arrayFilters, message) => {
    const matcher = compileFilter({ 'a.x': 1 });
    const change = () => applied({ a: [{ x: 1 }, { x: 7 }] }, update, { arrayFilters, matcher });
    expect(change).toThrow(expect.objectContaining({ codeName: 'ConflictingUpdateOperators' }));
    expect(change).toThrow(message);
  });

  test.each<[name: string, filter: Fields, position: number]>([
    ['an equality comes after $elemMatch', { people: 'b', settings: { $elemMatch: { of: 'b' } } }, 1],
    ['independent of the order in the filter', { settings: { $elemMatch: { of: 'b' } }, people: 'b' }, 1],
    ['equalities by path', { 'settings.of': 'b', people: 'b' }, 2],
    ['a range comes after an equality', { 'settings.n': { $gt: 1 }, tags: 'z' }, 1],
    ['$in comes after a range', { tags: { $in: ['x', 'y'] }, 'settings.n': { $gt: 1 } }, 0],
    ['$in with one value is an equality', { tags: { $in: ['z'] }, 'settings.n': { $gt: 1 } }, 1],
    ['$and is flat', { $and: [{ 'settings.of': 'b' }, { $and: [{ people: 'b' }] }] }, 2],
    ['$all is an equality for each value', { tags: { $all: ['x', 'y'] }, people: 'b' }, 1],
    ['an $or with one branch is the branch', { $or: [{ tags: 'y' }], people: 'b' }, 1],
    ['an $or with several branches has no position', { $or: [{ tags: 'z' }, { tags: 'q' }], people: 'b' }, 1],
    ['a negation has no position', { people: 'b', tags: { $not: { $gt: 'z' } } }, 1],
  ])('uses the position of the last condition in MongoDB order: %s', (_name, filter, position) => {
    const settings = [
      { of: 'x', n: 1 },
      { of: 'a', n: 2 },
      { of: 'b', n: 3 },
    ];
    const document = { people: ['a', 'b'], tags: ['x', 'y', 'z'], settings };
    const matcher = compileFilter(filter);
    expect(matcher.matches(document)).toBe(true);
    expect(matcher.positionOf(document)).toBe(position);
  });

  test('has no position when only an $or matched through the array', () => {
    const matcher = compileFilter({ $or: [{ 'a.n': 2 }, { 'a.n': 7 }] });
    const update = { $set: { 'a.$.n': 9 } };
    expect(() => applied({ a: [{ n: 1 }, { n: 2 }] }, update, { matcher })).toThrow('positional operator');
  });

  test('writes __proto__ as an own field', () => {
    const update = JSON.parse('{"$set":{"__proto__.polluted":1}}') as Fields;
    const changed = applied({ a: 1 }, update);
    expect(Object.hasOwn(changed, '__proto__')).toBe(true);
    expect(({} as Fields)['polluted']).toBeUndefined();
  });

  test('builds the document of an upsert from the filter and the update', () => {
    const update = compileUpdate({ $set: { 'b.c': 1 }, $setOnInsert: { d: 2 }, $inc: { n: 3 }, $unset: { e: '' } });
    expect(update.insertFrom({ _id: 7, a: 1, e: { $in: [4] }, $and: [{ n: 1 }] })).toEqual({
      _id: 7,
      a: 1,
      n: 4,
      b: { c: 1 },
      d: 2,
    });
    expect(() => update.insertFrom({ a: 1, $and: [{ a: 2 }] })).toThrow(
      expect.objectContaining({ codeName: 'NotSingleValueField' }),
    );
  });
});
