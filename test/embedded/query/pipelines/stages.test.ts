import { Double, Long } from 'bson';
import { describe, expect, test } from 'vitest';
import type { Document } from '../../../../src/embedded/bson/values.js';
import { runPipeline } from './run-pipeline.js';

/* The results and error codes of MongoDB's documentation and of its server's behaviour. */

const values = (...items: unknown[]): Document[] => items.map((x, index) => ({ _id: index, x }));

const run = (stage: Document, source: readonly Document[], others = {}): Document[] =>
  runPipeline([stage], { source, ...others });

const failureOf = (stage: Document): unknown => {
  try {
    run(stage, values(1, 2));
    return undefined;
  } catch (error) {
    return (error as { code?: number }).code ?? error;
  }
};

describe('$bucket', () => {
  test('sorts documents into buckets, and others into the default', () => {
    const stage = { $bucket: { groupBy: '$x', boundaries: [0, 5, { $add: [5, 5] }], default: 'rest' } };
    expect(run(stage, values(4, 5, 9, 10, null))).toEqual([
      { _id: 0, count: 1 },
      { _id: 5, count: 2 },
      { _id: 'rest', count: 2 },
    ]);
  });

  test.each<[unknown, number]>([
    [1, 40201],
    [{ groupBy: 'x', boundaries: [0, 1] }, 40202],
    [{ groupBy: { x: 1 }, boundaries: [0, 1] }, 40202],
    [{ groupBy: '$x', boundaries: 1 }, 40200],
    [{ groupBy: '$x', boundaries: [0, '$x'] }, 40191],
    [{ groupBy: '$x', boundaries: [0] }, 40192],
    [{ groupBy: '$x', boundaries: [0, 'a'] }, 40193],
    [{ groupBy: '$x', boundaries: [1, 1] }, 40194],
    [{ groupBy: '$x', boundaries: [0, 1], default: '$x' }, 40195],
    [{ groupBy: '$x', boundaries: [0, 1], output: 1 }, 40196],
    [{ groupBy: '$x', boundaries: [0, 1], at: 1 }, 40197],
    [{ groupBy: '$x' }, 40198],
    [{ groupBy: '$x', boundaries: [0, 5], default: 3 }, 40199],
    [{ groupBy: '$x', boundaries: [0, 1] }, 40066],
  ])('rejects %j', (specification, code) => {
    expect(failureOf({ $bucket: specification })).toBe(code);
  });
});

describe('$bucketAuto', () => {
  test.each<[number, unknown[], [unknown, unknown, number][]]>([
    [
      4,
      [1, 2, 3, 4, 5],
      [
        [1, 2, 1],
        [2, 3, 1],
        [3, 4, 1],
        [4, 5, 2],
      ],
    ],
    [
      4,
      [1, 2, 3, 4, 5, 6],
      [
        [1, 3, 2],
        [3, 5, 2],
        [5, 6, 2],
      ],
    ],
    [
      2,
      [1, 1, 1, 2],
      [
        [1, 2, 3],
        [2, 2, 1],
      ],
    ],
    [
      5,
      [1, null],
      [
        [null, 1, 1],
        [1, 1, 1],
      ],
    ],
  ])('makes %i buckets of %j', (buckets, items, expected) => {
    expect(run({ $bucketAuto: { groupBy: '$x', buckets } }, values(...items))).toEqual(
      expected.map(([min, max, count]) => ({ _id: { min, max }, count })),
    );
  });

  test.each<[unknown, number]>([
    [1, 40240],
    [{ groupBy: 'x', buckets: 1 }, 40239],
    [{ groupBy: '$x', buckets: 'a' }, 40241],
    [{ groupBy: '$x', buckets: 1.5 }, 40242],
    [{ groupBy: '$x', buckets: 0 }, 40243],
    [{ groupBy: '$x', buckets: 1, output: 1 }, 40244],
    [{ groupBy: '$x', buckets: 1, at: 1 }, 40245],
    [{ groupBy: '$x' }, 40246],
  ])('rejects %j', (specification, code) => {
    expect(failureOf({ $bucketAuto: specification })).toBe(code);
  });
});

describe('$graphLookup', () => {
  const graph = { from: 'people', startWith: '$boss', connectFromField: 'boss', connectToField: 'name', as: 'chain' };
  const people = [
    { _id: 1, name: 'a', boss: 'b' },
    { _id: 2, name: 'b', boss: ['c', 'd'] },
    { _id: 3, name: 'c', boss: 'a' },
    { _id: 4, name: 'd' },
  ];
  const chain = (extra: Document): unknown =>
    run({ $graphLookup: { ...graph, ...extra } }, people.slice(0, 1), { people }).map(({ chain }) =>
      (chain as Document[]).map(({ name, depth }) => (depth === undefined ? name : [name, depth])).sort(),
    );

  test('follows connections once, to a depth, and within a filter', () => {
    expect(chain({})).toEqual([['a', 'b', 'c', 'd']]);
    expect(chain({ maxDepth: 0 })).toEqual([['b']]);
    expect(chain({ maxDepth: 1, depthField: 'depth' })).toEqual([
      [
        ['b', Long.fromNumber(0)],
        ['c', Long.fromNumber(1)],
        ['d', Long.fromNumber(1)],
      ],
    ]);
    expect(chain({ restrictSearchWithMatch: { name: { $ne: 'c' } } })).toEqual([['b', 'd']]);
  });

  test.each<[unknown, number]>([
    [4, 9],
    [{ ...graph, maxDepth: 'a' }, 40100],
    [{ ...graph, maxDepth: -1 }, 40101],
    [{ ...graph, maxDepth: 2.3 }, 40102],
    [{ ...graph, from: 1 }, 9],
    [{ ...graph, as: 0 }, 40103],
    [{ ...graph, as: '$chain' }, 16410],
    [{ ...graph, connectFromField: 0 }, 40103],
    [{ ...graph, connectToField: '$name' }, 16410],
    [{ ...graph, depthField: '$depth' }, 16410],
    [{ ...graph, restrictSearchWithMatch: 'a' }, 40185],
    [{ ...graph, at: 1 }, 40104],
    [{ from: 'people' }, 40105],
    [{ as: 'chain' }, 9],
  ])('rejects %j', (specification, code) => {
    expect(failureOf({ $graphLookup: specification })).toBe(code);
  });
});

describe('$setWindowFields', () => {
  const window = (output: unknown, source: readonly Document[], sortBy: Document = { x: 1 }): unknown[] =>
    run({ $setWindowFields: { sortBy, output: { y: output } } }, source).map(({ y }) => y);

  test.each<[unknown, unknown[]]>([
    [
      ['unbounded', 'current'],
      [[1], [1, 3], [1, 3, 3], [1, 3, 3, 7]],
    ],
    [
      ['current', 1],
      [[1, 3], [3, 3], [3, 7], [7]],
    ],
    [
      [-2, -1],
      [[], [1], [1, 3], [3, 3]],
    ],
    [
      [{ $add: [1, 1] }, 'unbounded'],
      [[3, 7], [7], [], []],
    ],
  ])('takes documents %j', (documents, expected) => {
    expect(window({ $push: '$x', window: { documents } }, values(3, 1, 7, 3))).toEqual(expected);
  });

  test.each<[unknown, unknown[]]>([
    [
      [-2, 0],
      [[1], [1, 3, 3], [1, 3, 3], [7]],
    ],
    [
      ['current', 0],
      [[1], [3, 3], [3], [7]],
    ],
    [
      ['unbounded', 'current'],
      [[1], [1, 3], [1, 3, 3], [1, 3, 3, 7]],
    ],
    [
      [4, 'unbounded'],
      [[7], [7], [7], []],
    ],
    [
      ['unbounded', 'unbounded'],
      [
        [1, 3, 3, 7],
        [1, 3, 3, 7],
        [1, 3, 3, 7],
        [1, 3, 3, 7],
      ],
    ],
  ])('takes the range %j', (range, expected) => {
    expect(window({ $push: '$x', window: { range } }, values(3, 1, 7, 3))).toEqual(expected);
  });

  test('takes a range of dates', () => {
    const source = values(new Date('2024-01-31'), new Date('2024-02-29'), new Date('2024-03-01'));
    expect(window({ $count: {}, window: { range: ['current', 1], unit: 'month' } }, source)).toEqual([2, 2, 1]);
  });

  test.each<[Document, unknown[]]>([
    [{ $sum: '$x' }, [0, 3, 4, 7]],
    [{ $avg: '$x' }, [null, new Double(3), new Double(4), new Double(7)]],
    [{ $firstN: { input: '$x', n: 1 } }, [[], [3], [4], [7]]],
    [{ $topN: { output: '$x', sortBy: { x: 1 }, n: 1 } }, [[], [3], [4], [7]]],
    [{ $top: { output: '$x', sortBy: { x: 1 } } }, [null, 3, 4, 7]],
  ])('accumulates %j over an empty window', (accumulator, expected) => {
    const source = values(2, 3, 4, 7);
    expect(window({ ...accumulator, window: { documents: [1, 1] } }, source)).toEqual([
      ...expected.slice(1),
      expected[0],
    ]);
  });

  test('ranks, numbers and shifts', () => {
    const source = values(3, 1, 3, 7);
    expect(window({ $rank: {} }, source)).toEqual([1, 2, 2, 4]);
    expect(window({ $denseRank: {} }, source)).toEqual([1, 2, 2, 3]);
    expect(window({ $documentNumber: {} }, source)).toEqual([1, 2, 3, 4]);
    expect(window({ $shift: { output: '$x', by: -1, default: { $add: [1, 1] } } }, source)).toEqual([2, 1, 3, 3]);
    expect(window({ $locf: '$x' }, values(null, 5, null), { _id: 1 })).toEqual([null, 5, 5]);
  });

  test('reads each document a few times, however large the partition', () => {
    let reads = 0;
    const source = Array.from(
      { length: 200 },
      (_, _id): Document => ({
        _id,
        get x() {
          reads += 1;
          return Math.floor(_id / 2);
        },
      }),
    );
    const output = { sum: { $sum: '$x' }, rank: { $rank: {} }, dense: { $denseRank: {} } };
    const stage = { $setWindowFields: { sortBy: { x: 1 }, output } };
    expect(run(stage, source).at(-1)).toMatchObject({ sum: 9900, rank: 199, dense: 100 });
    expect(reads).toBeLessThan(200 * 10);
  });

  const sum = (bounds: unknown): Document => ({ sortBy: { x: 1 }, output: { y: { $sum: '$x', window: bounds } } });
  test.each<[unknown, number]>([
    ['a', 9],
    [{ sortBy: 'a', output: {} }, 14],
    [{ output: 'a' }, 14],
    [{ sortBy: { x: 1 } }, 40414],
    [{ output: {}, at: 1 }, 40415],
    [{ output: { y: { sum: '$x' } } }, 9],
    [{ output: { y: {} } }, 9],
    [{ output: { y: { $mergeObjects: '$x' } } }, 9],
    [{ output: { y: { $sum: '$x', at: 1 } } }, 9],
    [{ output: { y: { $sum: 1 }, 'y.z': { $sum: 1 } } }, 6307900],
    [sum({ documents: [1, -1] }), 5339900],
    [sum({ range: ['current', -1] }), 5339900],
    [sum({ documents: [0.5, 1] }), 9],
    [sum({ documents: ['first', 1] }), 9],
    [sum({ documents: [0, 1], range: [0, 1] }), 9],
    [sum({ documents: [0, 1], unit: 'day' }), 9],
    [{ output: { y: { $sum: '$x', window: { documents: [0, 1] } } } }, 5339901],
    [{ output: { y: { $sum: '$x', window: { range: ['unbounded', 'unbounded'] } } } }, 5339902],
    [{ ...sum({ range: [0, 1] }), sortBy: { x: -1 } }, 8947401],
    [sum({ range: [0, 1], unit: 'day' }), 5429513],
    [{ output: { y: { $rank: {} } } }, 5371602],
    [{ sortBy: { x: 1 }, output: { y: { $rank: '$x' } } }, 5371603],
    [{ sortBy: { x: 1 }, output: { y: { $rank: {}, window: { documents: [0, 1] } } } }, 5371601],
    [{ sortBy: { x: 1 }, output: { y: { $shift: { output: '$x', by: 1.5 } } } }, 9],
  ])('rejects %j', (specification, code) => {
    expect(failureOf({ $setWindowFields: specification })).toBe(code);
  });

  test('rejects a range over a value that is no number', () => {
    const output = { $max: 5, window: { range: [3, 'unbounded'] } };
    expect(() => window(output, values(2, 'xyz'))).toThrow(expect.objectContaining({ code: 5429414 }));
    expect(() => window(output, values(new Date()))).toThrow(expect.objectContaining({ code: 5429413 }));
  });
});

test.each<[Document, number]>([
  [{ $sortByCount: 5 }, 40149],
  [{ $sortByCount: 'x' }, 40148],
  [{ $sortByCount: { x: 1 } }, 40147],
  [{ $unwind: { path: '$x', includeArrayIndex: '$i' } }, 28822],
  [{ $unwind: { path: '$x', includeArrayIndex: '' } }, 28810],
  [{ $unwind: 'x' }, 28818],
  [{ $facet: { a: [{ $out: 'x' }] } }, 40600],
  [{ $group: { x: { $sum: 1 } } }, 15955],
  [{ $group: { _id: null, x: { $none: 1 } } }, 15952],
  [{ $group: { _id: null, x: { $firstN: { input: '$x', n: 0 } } } }, 5787908],
  [{ $group: { _id: null, x: { $percentile: { input: '$x', p: [2], method: 'approximate' } } } }, 7750303],
])('the stage %j fails with %i', (stage, code) => {
  expect(failureOf(stage)).toBe(code);
});

test.each<[Document, unknown]>([
  [{ $top: { output: '$x', sortBy: { x: -1 } } }, 4],
  [{ $bottomN: { output: '$x', sortBy: { x: 1 }, n: 2 } }, [3, 4]],
  [{ $maxN: { input: '$x', n: 2 } }, [4, 3]],
  [
    { $percentile: { input: '$x', p: [0, 0.5, 1], method: 'approximate' } },
    [new Double(1), new Double(2), new Double(4)],
  ],
  [{ $median: { input: '$x', method: 'approximate' } }, new Double(2)],
  [{ $count: {} }, 5],
  [{ $addToSet: '$x' }, [3, 1, 4, 2, null]],
])('%j accumulates a group', (accumulator, expected) => {
  expect(run({ $group: { _id: null, y: accumulator } }, values(3, 1, 4, 2, null))).toEqual([
    { _id: null, y: expected },
  ]);
});
