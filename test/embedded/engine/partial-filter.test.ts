import { describe, expect, test } from 'vitest';
import type { Document } from '../../../src/embedded/bson/values.js';
import { isImplied } from '../../../src/embedded/engine/indexes/partial-filter.js';
import { compileFilter } from '../../../src/embedded/query/filters/filter.js';

/*
 * The rules of `expression::isSubsetOf` of MongoDB. Queries of the first list use the index. Queries of the second list do
 * not, although the index contains every document that they match.
 */

const proven: readonly (readonly [filter: Document, query: Document])[] = [
  [{ a: { $type: 'string' } }, { a: { $eq: 'x', $type: 'string' } }],
  [{ a: { $type: 'string' } }, { $and: [{ b: 1 }, { a: { $type: 'string' } }] }],
  [{ a: { $gte: '' } }, { a: 'x' }],
  [{ a: { $gte: '' } }, { a: '' }],
  [{ a: { $gt: '' } }, { a: { $in: ['x', 'y'] } }],
  [{ a: { $gt: 3 } }, { a: { $gte: 4 } }],
  [{ a: { $gt: 3 } }, { a: { $gt: 3 } }],
  [{ a: { $lte: 3 } }, { a: { $lt: 3 } }],
  [{ a: { $lte: Number.NaN } }, { a: Number.NaN }],
  [{ a: { $exists: true } }, { a: 1 }],
  [{ a: { $exists: true } }, { a: { $in: [1, 2] } }],
  [{ a: { $exists: true } }, { a: { $ne: null } }],
  [{ a: { $exists: true } }, { a: { $nin: [null, 3] } }],
  [{ a: { $exists: true } }, { a: { $elemMatch: { b: 1 } } }],
  [{ a: { $exists: true } }, { a: { $size: 2 } }],
  [{ a: { $exists: true } }, { a: { $type: 'int' } }],
  [{ a: { $in: [1, 2] } }, { a: 2 }],
  [{ a: null }, { a: null }],
  [
    { a: false, b: { $gt: 0 } },
    { b: { $gt: 5 }, a: false, c: 1 },
  ],
  [{ $or: [{ a: 1 }, { b: 1 }] }, { b: 1 }],
  [{ a: { $gt: 0 } }, { $or: [{ a: 1 }, { a: { $gt: 7 } }] }],
  [{ $and: [{ a: 1 }, { b: 1 }] }, { a: 1, b: 1 }],
];

const notProven: readonly (readonly [filter: Document, query: Document])[] = [
  [{ a: { $type: 'string' } }, { a: 'x' }],
  [{ a: { $type: 'string' } }, { a: { $in: ['x'] } }],
  [{ a: { $type: ['string', 'int'] } }, { a: { $type: 'string' } }],
  [{ a: { $exists: true } }, { a: null }],
  [{ a: { $exists: true } }, { a: { $in: [1, null] } }],
  [{ a: { $exists: true } }, { a: { $ne: 1 } }],
  [{ a: { $exists: true } }, { a: { $bitsAllSet: 1 } }],
  [{ a: { $gt: 3 } }, { a: { $gte: 3 } }],
  [{ a: { $gt: 3 } }, { a: { $lt: 9 } }],
  [{ a: { $gt: 3 } }, { a: 'x' }],
  [{ a: { $gt: '' } }, { a: { $in: ['x', /y/] } }],
  [{ a: { $gt: 3 } }, { a: Number.NaN }],
  [{ a: 1 }, { 'a.b': 1 }],
  [{ a: 1, b: 1 }, { a: 1 }],
  [{ $or: [{ a: 1 }, { b: 1 }] }, { c: 1 }],
  [{ a: { $gt: 0 } }, { $or: [{ a: 1 }, { b: 1 }] }],
  [{ a: { $in: [1, 2, 3] } }, { a: { $in: [1, 3] } }],
  [{ $or: [{ a: 1 }, { b: 1 }] }, { $or: [{ a: 1, c: 1 }, { b: 1 }] }],
];

describe('a query uses a partial index', () => {
  test.each(proven)('of %j for %j', (filter, query) => {
    expect(isImplied(filter, compileFilter(query), undefined)).toBe(true);
  });

  test('with a collation only if the query has the same collation', () => {
    const collation = {
      locale: 'en',
      strength: 2,
      caseLevel: false,
      caseFirst: 'off',
      numericOrdering: false,
    } as const;
    const filter = { a: { $gte: 'b' } };
    expect(isImplied(filter, compileFilter({ a: 'c' }, { collation }), collation)).toBe(true);
    expect(isImplied(filter, compileFilter({ a: 'c' }), collation)).toBe(false);
    expect(isImplied({ a: { $gte: 1 } }, compileFilter({ a: 2 }), collation)).toBe(true);
  });
});

describe('a query does not use a partial index', () => {
  test.each(notProven)('of %j for %j', (filter, query) => {
    expect(isImplied(filter, compileFilter(query), undefined)).toBe(false);
  });
});
