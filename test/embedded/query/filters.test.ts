import { Binary, BSONRegExp, Decimal128, Double, Long, MaxKey, MinKey, ObjectId } from 'bson';
import { describe, expect, test } from 'vitest';
import type { Document } from '../../../src/embedded/bson/values.js';
import { compileFilter } from '../../../src/embedded/query/filters/filter.js';

/* The matches and error codes of MongoDB's documentation and of its server's behaviour. */

const ID = new ObjectId();
const regExp = (pattern: string, options = ''): BSONRegExp => new BSONRegExp(pattern, options);

/** Values of the field `a`; `undefined` is a missing field. */
const matched = (condition: unknown, values: readonly unknown[]): unknown[] => {
  const { matches } = compileFilter({ a: condition });
  return values.filter((a) => matches(a === undefined ? {} : { a }));
};

describe('a filter on a field', () => {
  test.each<[unknown, unknown[], unknown[]]>([
    [1, [1, new Double(1), Long.fromNumber(1), [0, 1]], [2, '1', [[1]], true]],
    [null, [null, undefined, [1, null]], [0, [], false]],
    [
      [1, 2],
      [[1, 2], [[1, 2]]],
      [[2, 1], 1],
    ],
    [{ x: 1, y: 2 }, [{ x: 1, y: 2 }], [{ y: 2, x: 1 }, { x: 1 }]],
    [regExp('^a', 'i'), ['Ab', ['x', 'a'], regExp('^a', 'i')], ['ba', regExp('^a')]],
    [{ $eq: regExp('a') }, [regExp('a')], ['a']],
    [{ $ne: 1 }, [2, undefined, [2]], [1, [2, 1]]],
    [{ $gt: 1 }, [2, Decimal128.fromString('1.1'), [0, 5]], [1, '2', null, Number.NaN]],
    [{ $gte: null }, [null, undefined], [0, '']],
    [{ $gt: null }, [], [null, undefined, 1]],
    [{ $lt: 'b' }, ['a', ''], ['b', 1, null]],
    [{ $lte: Number.NaN }, [Number.NaN], [1, null]],
    [{ $gt: new MinKey() }, [1, null, 'a', undefined], [new MinKey()]],
    [{ $lt: new MaxKey() }, [1, {}], [new MaxKey()]],
    [{ $gt: [1] }, [[2], [1, 0]], [[0], 5]],
    [{ $gte: 0, $lt: 2 }, [[-1, 5], 1], [-1, 2]],
    [{ $in: [1, null, regExp('^b')] }, [1, undefined, ['x', 'bc']], [2, 'ab']],
    [{ $in: [] }, [], [1, undefined]],
    [{ $nin: [1, null] }, [2, [3]], [1, undefined, [2, 1]]],
    [{ $not: { $gt: 1 } }, [1, undefined, 'a'], [2, [0, 2]]],
    [{ $not: regExp('a') }, ['b', 1, undefined], ['ba']],
    [{ $exists: true }, [null, []], [undefined]],
    [{ $exists: 0 }, [undefined], [null]],
    [{ $type: 'number' }, [1, 1.5, Long.ONE, ['a', 1]], ['1', undefined]],
    [{ $type: [2, 'bool'] }, ['a', true], [1]],
    [{ $type: 'array' }, [[], [1]], [1]],
    [{ $mod: [4, 1] }, [5, 1.9, Long.fromNumber(9), [0, 5]], [-3, '5', Number.NaN]],
    [{ $mod: [-4.9, -1] }, [-5], [5]],
    [{ $bitsAllSet: 5 }, [5, 7, new Double(13), new Binary(Uint8Array.from([5]))], [1, 5.5, 'a']],
    [{ $bitsAllSet: [0, 70] }, [-1], [1, 5]],
    [{ $bitsAnySet: [1, 2] }, [2, 4, 6], [1, 8]],
    [{ $bitsAllClear: 3 }, [4, 0], [1, 2]],
    [{ $bitsAnyClear: 3 }, [1, 2, 4], [3, 7]],
    [{ $size: 2 }, [[1, 2]], [[1], 2, [[1, 2]]]],
    [{ $all: [1, 2] }, [[2, 1, 3]], [[1], 1]],
    [{ $all: [1] }, [1, [1]], [2]],
    [{ $all: [[1]] }, [[1], [[1], 2]], [[2]]],
    [{ $all: [] }, [], [[], 1]],
    [{ $all: [{ $elemMatch: { x: 1 } }, { $elemMatch: { x: 2 } }] }, [[{ x: 1 }, { x: 2 }]], [[{ x: 1 }]]],
    [{ $elemMatch: { $gt: 1, $lt: 3 } }, [[0, 2]], [[0, 4], 2]],
    [{ $elemMatch: { x: 1, y: 2 } }, [[{ x: 1, y: 2 }]], [[{ x: 1 }, { y: 2 }], { x: 1, y: 2 }]],
    [{ $elemMatch: { $or: [{ x: 1 }, { x: 2 }] } }, [[{ x: 2 }]], [[{ x: 3 }]]],
    [{ $regex: 'A b', $options: 'ix' }, ['xab'], ['a b']],
    [{ $regex: '^b', $options: 'm' }, ['a\nb'], ['ab']],
    [{ $eq: ID }, [ID, new ObjectId(ID.toHexString())], [ID.toHexString()]],
  ])('%o matches', (condition, matching, others) => {
    expect(matched(condition, [...matching, ...others])).toEqual(matching);
  });

  test.each<[unknown, number]>([
    [{ $none: 1 }, 2],
    [{ $gt: regExp('a') }, 2],
    [{ $ne: regExp('a') }, 2],
    [{ $in: 1 }, 2],
    [{ $in: [{ $gt: 1 }] }, 2],
    [{ $not: 1 }, 2],
    [{ $not: {} }, 2],
    [{ $type: [] }, 9],
    [{ $type: 'none' }, 2],
    [{ $type: 100 }, 2],
    [{ $type: true }, 14],
    [{ $mod: 1 }, 2],
    [{ $mod: [1] }, 2],
    [{ $mod: [1, 2, 3] }, 2],
    [{ $mod: [0, 1] }, 2],
    [{ $mod: ['a', 1] }, 2],
    [{ $bitsAllSet: -1 }, 9],
    [{ $bitsAllSet: 1.5 }, 9],
    [{ $bitsAllSet: 'a' }, 2],
    [{ $bitsAllSet: [-1] }, 2],
    [{ $bitsAllSet: [2 ** 31] }, 2],
    [{ $size: 'a' }, 2],
    [{ $size: -1 }, 2],
    [{ $size: 1.5 }, 2],
    [{ $all: 1 }, 2],
    [{ $all: [{ $gt: 1 }] }, 2],
    [{ $all: [{ $elemMatch: {} }, 1] }, 2],
    [{ $elemMatch: 1 }, 2],
    [{ $elemMatch: { $expr: true } }, 2],
    [{ $elemMatch: { $or: [{ $expr: true }, { x: 1 }] } }, 2],
    [{ $regex: 1 }, 2],
    [{ $regex: 'a', $options: 1 }, 2],
    [{ $regex: 'a', $options: 'q' }, 51108],
    [{ $regex: regExp('a', 'i'), $options: 'm' }, 51075],
    [{ $regex: '(' }, 51091],
    [{ $options: 'i' }, 2],
    [{ $near: [1, 2] }, 115],
  ])('%o is rejected', (condition, code) => {
    expect(() => compileFilter({ a: condition })).toThrow(expect.objectContaining({ code }));
  });
});

const DOCUMENTS: Document[] = [
  { _id: 0, n: 1, list: [{ x: 1 }, { x: 5, y: [1, 2] }], 'a.b': 1 },
  { _id: 1, n: 2, list: [], o: { x: 1 } },
  { _id: 2, list: [[{ x: 1 }]], o: { x: [3, 4] } },
];

test.each<[Document, number[]]>([
  [{}, [0, 1, 2]],
  [{ 'list.x': 5 }, [0]],
  [{ 'list.1.x': 5 }, [0]],
  [{ 'list.0.0.x': 1 }, [2]],
  [{ 'list.x': null }, []],
  [{ 'list.y': null }, [0]],
  [{ 'list.y.1': 2 }, [0]],
  [{ 'o.x': { $gt: 3 } }, [2]],
  [{ 'o.x': { $exists: false } }, [0]],
  [{ $or: [{ n: 1 }, { 'o.x': 1 }] }, [0, 1]],
  [{ $nor: [{ n: 1 }, { n: 2 }] }, [2]],
  [{ $and: [{ n: { $gt: 0 } }, { n: { $lt: 2 } }] }, [0]],
  [{ $expr: { $gt: [{ $size: '$list' }, 0] } }, [0, 2]],
  [{ $comment: 'all', n: 2 }, [1]],
  [{ $alwaysFalse: 1 }, []],
  [{ $alwaysTrue: 1 }, [0, 1, 2]],
])('the filter %j finds %j', (filter, ids) => {
  const { matches } = compileFilter(filter);
  expect(DOCUMENTS.filter(matches).map(({ _id }) => _id)).toEqual(ids);
});

test.each<[Document, number]>([
  [{ $none: 1 }, 2],
  [{ $or: [] }, 2],
  [{ $and: 1 }, 2],
  [{ $nor: [1] }, 2],
  [{ $where: '1' }, 115],
  [{ $expr: { $none: 1 } }, 168],
])('the filter %j is rejected', (filter, code) => {
  expect(() => compileFilter(filter)).toThrow(expect.objectContaining({ code }));
});
