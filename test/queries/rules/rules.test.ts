import { expect, test } from 'vitest';
import { type Choice, choose, toSort } from './choice.js';
import { type Fields, parseFilter } from './filter.js';
import type { IndexSpec } from './index-spec.js';

const index = (keys: Fields, more: Partial<IndexSpec> = {}): IndexSpec => ({
  name: Object.keys(keys).join(),
  keys: Object.entries(keys) as [string, 1 | -1][],
  isUnique: false,
  isSparse: false,
  partialFilter: undefined,
  collation: undefined,
  arrays: new Set(),
  ...more,
});

const EITHER = { $or: [{ b: { $lte: 0 } }, { b: { $type: 'string' } }] };

const chosen = (filter: Fields, sort: Fields, ...indexes: IndexSpec[]): Choice =>
  choose({ filter: parseFilter(filter), sort: toSort(sort), hint: undefined, collation: undefined }, indexes);

/** What MongoDB documents of its indexes, case by case. `-`: a scan of the collection. */
test.each<[what: string, filter: Fields, sort: Fields, index: IndexSpec, expected: string]>([
  ['equality', { a: 1 }, {}, index({ a: 1 }), 'a point none'],
  ['another collation', { a: 'x' }, {}, index({ a: 1 }, { collation: '{"locale":"en"}' }), '- none'],
  ['a prefix', { b: 1 }, {}, index({ a: 1, b: 1 }), '- none'],
  ['equality, sort, range', { a: 1, c: { $gt: 1 } }, { b: 1 }, index({ a: 1, b: 1, c: 1 }), 'a point index'],
  ['a range before the sort', { a: { $gt: 1 } }, { b: 1 }, index({ a: 1, b: 1 }), 'a range memory'],
  ['a sort by the range', { a: { $gt: 1 } }, { a: -1 }, index({ a: 1 }), 'a range index'],
  ['a sort against one field', { a: 1 }, { b: 1, c: -1 }, index({ a: 1, b: 1, c: 1 }), 'a point memory'],
  ['a sort against all fields', { a: 1 }, { b: -1, c: -1 }, index({ a: 1, b: 1, c: 1 }), 'a point index'],
  ['$in before the sort', { a: { $in: [1, 2] } }, { b: 1 }, index({ a: 1, b: 1 }), 'a points merge'],
  ['a sort without a filter', {}, { a: 1 }, index({ a: 1 }), ' index'],
  ['a sort by an array', { a: 1 }, { b: 1 }, index({ a: 1, b: 1 }, { arrays: new Set(['b']) }), 'a point memory'],
  ['a sort behind an array', { a: 1 }, { b: 1 }, index({ a: 1, b: 1 }, { arrays: new Set(['a']) }), 'a point index'],
  ['a missing value', { a: null }, {}, index({ a: 1 }, { isSparse: true }), '- none'],
  ['a value', { a: 1 }, {}, index({ a: 1 }, { isSparse: true }), 'a point none'],
  ['a type by a value', { a: 'x' }, {}, index({ a: 1 }, { partialFilter: { a: { $type: 'string' } } }), '- none'],
  [
    'a type that is repeated',
    { a: { $eq: 'x', $type: 'string' } },
    {},
    index({ a: 1 }, { partialFilter: { a: { $type: 'string' } } }),
    'a point none',
  ],
  ['no branch of a filter', { a: 'x' }, {}, index({ a: 1 }, { partialFilter: EITHER }), '- none'],
  ['a branch of a filter', { a: 'x', b: { $lte: 0 } }, {}, index({ a: 1 }, { partialFilter: EITHER }), 'a point none'],
  ['all branches of a filter', { a: 'x', ...EITHER }, {}, index({ a: 1 }, { partialFilter: EITHER }), 'a point none'],
  ['a filter alone', { b: true }, {}, index({ a: 1 }, { partialFilter: { b: true } }), '- none'],
  ['types', { a: { $type: ['date', 'string'] } }, {}, index({ a: 1 }, { isSparse: true }), 'a range none'],
  ['the type of arrays', { a: { $type: 'array' } }, {}, index({ a: 1 }), '- none'],
  ['a pattern', { a: /b/ }, {}, index({ a: 1 }), '- none'],
  ['an anchored pattern', { a: /^b/ }, {}, index({ a: 1 }), 'a range none'],
  ['a negation', { a: { $ne: 1 } }, {}, index({ a: 1 }), '- none'],
  ['every branch', { $or: [{ a: 1 }, { a: { $gt: 2 } }] }, {}, index({ a: 1 }), 'a point | a range none'],
  ['branches of one form', { $or: [{ a: 1 }, { a: 2, b: 1 }] }, {}, index({ a: 1 }), 'a point none'],
  ['not every branch', { $or: [{ a: 1 }, { b: 1 }] }, {}, index({ a: 1 }), '- none'],
  [
    'fields of one element',
    { list: { $elemMatch: { a: 1, b: 2 } } },
    {},
    index({ 'list.a': 1, 'list.b': 1 }, { arrays: new Set(['list.a', 'list.b']) }),
    'list.a point, list.b point none',
  ],
  [
    'fields of any elements',
    { 'list.a': 1, 'list.b': 2 },
    {},
    index({ 'list.a': 1, 'list.b': 1 }, { arrays: new Set(['list.a', 'list.b']) }),
    'list.a point none',
  ],
])('the rules know an index for %s', (_what, filter, sort, given, expected) => {
  const { indexes, bounds, order } = chosen(filter, sort, given);
  expect(`${indexes.length === 0 ? '-' : bounds} ${order}`).toBe(expected);
});

test('of several indexes the rules take the one that finds one document, then one in order', () => {
  const unique = index({ a: 1 }, { isUnique: true });
  expect(chosen({ a: 1, b: 1 }, { c: 1 }, index({ b: 1, c: 1 }), unique)).toMatchObject({
    indexes: ['a'],
    isOne: true,
  });
  expect(chosen({ a: 1, b: 1 }, { c: 1 }, index({ a: 1, b: 1 }), index({ b: 1, c: 1 })).indexes).toEqual(['b,c']);
});
