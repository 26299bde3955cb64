import { Long } from 'bson';
import { expect, test } from 'vitest';
import type { Document } from '../../../../src/embedded/bson/values.js';
import { DatabaseError } from '../../../../src/embedded/errors.js';
import { type Failure, fails } from '../expressions/rows/row.js';
import { runPipeline } from './run-pipeline.js';

/* The results and error codes of MongoDB's documentation and of its server's behaviour, for pipelines. */

const COLLECTIONS = {
  source: [
    { _id: 1, x: 1, t: ['a', 'b'] },
    { _id: 2, x: 2, t: ['b'] },
    { _id: 3, x: null },
  ],
  o: [
    { _id: 10, k: 1, v: 'p' },
    { _id: 11, k: 2, v: 'q' },
    { _id: 12, k: [1, 2], v: 'r' },
    { _id: 13, v: 's' },
  ],
};

type Row = readonly [pipeline: readonly Document[], result: readonly Document[] | Failure];

const ROWS: readonly Row[] = [
  [
    [{ $lookup: { from: 'o', localField: 'x', foreignField: 'k', as: 'r' } }, { $project: { r: '$r._id' } }],
    [
      { _id: 1, r: [10, 12] },
      { _id: 2, r: [11, 12] },
      { _id: 3, r: [13] },
    ],
  ],
  [
    [{ $lookup: { from: 'o', localField: 't', foreignField: 'v', as: 'r' } }, { $project: { r: '$r._id' } }],
    [
      { _id: 1, r: [] },
      { _id: 2, r: [] },
      { _id: 3, r: [] },
    ],
  ],
  [
    [
      { $lookup: { from: 'o', let: { a: '$x' }, pipeline: [{ $match: { $expr: { $eq: ['$k', '$$a'] } } }], as: 'r' } },
      { $project: { r: '$r._id' } },
    ],
    [
      { _id: 1, r: [10] },
      { _id: 2, r: [11] },
      { _id: 3, r: [] },
    ],
  ],
  [
    [
      {
        $lookup: {
          from: 'o',
          localField: 'x',
          foreignField: 'k',
          let: { a: '$x' },
          pipeline: [{ $match: { $expr: { $gt: ['$_id', 10] } } }, { $project: { v: 1, _id: 0 } }],
          as: 'r',
        },
      },
      { $project: { r: 1 } },
    ],
    [
      { _id: 1, r: [{ v: 'r' }] },
      { _id: 2, r: [{ v: 'q' }, { v: 'r' }] },
      { _id: 3, r: [{ v: 's' }] },
    ],
  ],
  [
    [{ $lookup: { from: 'none', localField: 'x', foreignField: 'k', as: 'r' } }, { $project: { r: 1 } }],
    [
      { _id: 1, r: [] },
      { _id: 2, r: [] },
      { _id: 3, r: [] },
    ],
  ],
  [
    [{ $lookup: { from: 'o', pipeline: [{ $count: 'n' }], as: 'a.b' } }, { $project: { a: 1 } }],
    [
      { _id: 1, a: { b: [{ n: 4 }] } },
      { _id: 2, a: { b: [{ n: 4 }] } },
      { _id: 3, a: { b: [{ n: 4 }] } },
    ],
  ],
  [[{ $lookup: { from: 'o', let: { A: 1 }, pipeline: [], as: 'r' } }], fails(9)],
  [[{ $lookup: { from: 'o', pipeline: [{ $out: 'z' }], as: 'r' } }], fails(51047)],
  [[{ $lookup: { from: 'o', as: '$r', pipeline: [] } }], fails(16410)],
  [[{ $lookup: { from: 1, as: 'r', pipeline: [] } }], fails(9)],
  [[{ $unionWith: 'o' }, { $count: 'n' }], [{ n: 7 }]],
  [[{ $unionWith: { coll: 'o', pipeline: [{ $match: { k: 1 } }] } }, { $count: 'n' }], [{ n: 5 }]],
  [[{ $unionWith: 1 }], fails(9)],
  [[{ $unionWith: { pipeline: [] } }], fails(9)],
  [[{ $unionWith: { coll: 'o', x: 1 } }], fails(40415)],
  [[{ $unionWith: { coll: 'o', pipeline: [{ $merge: 'z' }] } }], fails(31441)],
  [
    [
      { $facet: { a: [{ $count: 'n' }], b: [{ $match: { x: 1 } }, { $project: { x: 1 } }], c: [] } },
      { $project: { a: 1, b: 1, c: { $size: '$c' } } },
    ],
    [{ a: [{ n: 3 }], b: [{ _id: 1, x: 1 }], c: 3 }],
  ],
  [[{ $facet: {} }], fails(40169)],
  [[{ $facet: 1 }], fails(40169)],
  [[{ $facet: { a: 1 } }], fails(40170)],
  [[{ $facet: { 'a.b': [] } }], fails(16412)],
  [[{ $facet: { a: [{ $facet: { b: [] } }] } }], fails(40600)],
  [[{ $sample: { size: 2 } }, { $count: 'n' }], [{ n: 2 }]],
  [[{ $sample: { size: 0 } }], fails(28747)],
  [[{ $sample: { size: -1 } }], fails(28747)],
  [[{ $sample: { size: 'x' } }], fails(28746)],
  [[{ $sample: {} }], fails(28749)],
  [[{ $sample: 1 }], fails(28745)],
  [[{ $sample: { size: 1, x: 1 } }], fails(28748)],
  [[{ $redact: { $cond: [{ $eq: ['$x', 1] }, '$$KEEP', '$$PRUNE'] } }, { $project: { x: 1 } }], [{ _id: 1, x: 1 }]],
  [[{ $redact: 1 }], fails(17053)],
  [[{ $limit: 0 }], fails(15958)],
  [[{ $limit: -1 }], fails(5107201)],
  [[{ $limit: 'x' }], fails(5107201)],
  [[{ $limit: 1.5 }], fails(5107201)],
  [[{ $skip: -1 }], fails(5107200)],
  [[{ $skip: 'x' }], fails(5107200)],
  [[{ $count: '' }], fails(40157)],
  [[{ $count: 1 }], fails(40156)],
  [[{ $count: '$a' }], fails(40158)],
  [[{ $count: 'a.b' }], fails(40160)],
  [[{ $match: { x: 99 } }, { $count: 'n' }], []],
  [[{ $unset: 'x' }, { $project: { x: 1 } }, { $limit: 1 }], [{ _id: 1 }]],
  [[{ $unset: [] }], fails(31119)],
  [[{ $unset: 1 }], fails(31002)],
  [[{ $project: {} }], fails(51272)],
  [[{ $project: 1 }], fails(15969)],
  [[{ $project: { a: 1, b: 0 } }], fails(31254)],
  [[{ $project: { a: 0, b: 1 } }], fails(31253)],
  [[{ $addFields: 1 }], fails(40272)],
  [[{ $addFields: { '': 1 } }], fails(40352)],
  [[{ $addFields: { 'a.': 1 } }], fails(40353)],
  [[{ $addFields: { a: 1, 'a.b': 2 } }], fails(40176)],
  [[{ $replaceRoot: { newRoot: '$x' } }], fails(40228)],
  [[{ $replaceRoot: {} }], fails(40231)],
  [[{ $replaceRoot: 1 }], fails(40229)],
  [[{ $replaceRoot: { x: 1 } }], fails(40230)],
  [[{ $sort: {} }], fails(15976)],
  [[{ $sort: 1 }], fails(15973)],
  [[{ $sort: { x: 2 } }], fails(15975)],
  [[{ $group: 1 }], fails(15947)],
  [[{ $group: { _id: 1, x: 1 } }], fails(40234)],
  [[{ $group: { _id: 1, x: { $sum: 1, $avg: 1 } } }], fails(40238)],
  [[{ $group: { _id: 1, 'x.y': { $sum: 1 } } }], fails(40235)],
  [[{ $group: { _id: 1, $x: { $sum: 1 } } }], fails(40236)],
  [[{ $unwind: { path: '$t', x: 1 } }], fails(28811)],
  [[{ $unwind: {} }], fails(28812)],
  [[{ $unwind: { path: 1 } }], fails(28808)],
  [[{ $unwind: { path: '$t', preserveNullAndEmptyArrays: 1 } }], fails(28809)],
  [[{ $unwind: 1 }], fails(15981)],
  [[{ $unwind: '$' }], fails(40352)],
  [
    [
      { $unwind: { path: '$t', includeArrayIndex: 'i', preserveNullAndEmptyArrays: true } },
      { $project: { t: 1, i: 1 } },
    ],
    [
      { _id: 1, t: 'a', i: Long.fromNumber(0) },
      { _id: 1, t: 'b', i: Long.fromNumber(1) },
      { _id: 2, t: 'b', i: Long.fromNumber(0) },
      { _id: 3, i: null },
    ],
  ],
  [[{ $geoNear: {} }], fails(115)],
  [[{ $densify: { field: 'x', range: { step: 1, bounds: 'full' } } }], fails(115)],
  [[{ $fill: { output: { x: { value: 1 } } } }], fails(115)],
  [[{ $match: 1 }], fails(15959)],
];

function resultOf(pipeline: readonly Document[]): unknown {
  try {
    return runPipeline(pipeline, COLLECTIONS);
  } catch (error) {
    if (error instanceof DatabaseError) return fails(error.code);
    throw error;
  }
}

test.each(ROWS.map(([pipeline, expected]) => ({ pipeline, expected })))('$pipeline', ({ pipeline, expected }) => {
  expect(resultOf(pipeline)).toEqual(expected);
});
