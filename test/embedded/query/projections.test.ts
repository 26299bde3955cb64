import { describe, expect, test } from 'vitest';
import type { Document } from '../../../src/embedded/bson/values.js';
import { compileFilter } from '../../../src/embedded/query/filters/filter.js';
import { compileProjection, type ProjectionOptions } from '../../../src/embedded/query/projections/projection.js';

const DOCUMENT: Document = {
  _id: 1,
  a: 1,
  b: { c: 2, d: [{ e: 3, f: 4 }, 5, { f: 6 }] },
  list: [1, 2, 3, 4],
  items: [
    { k: 'x', n: 1 },
    { k: 'y', n: 2 },
  ],
};

const project = (specification: Document, options?: ProjectionOptions): Document =>
  compileProjection(specification, options)(DOCUMENT);

describe('a projection', () => {
  test.each<[string, Document, Document]>([
    ['keeps everything when it is empty', {}, DOCUMENT],
    ['includes fields and _id', { a: 1 }, { _id: 1, a: 1 }],
    ['excludes _id', { a: true, _id: 0 }, { a: 1 }],
    ['includes _id alone', { _id: 1 }, { _id: 1 }],
    ['keeps the order of the document', { list: 1, a: 1 }, { _id: 1, a: 1, list: [1, 2, 3, 4] }],
    ['includes fields of documents in arrays', { 'b.d.e': 1 }, { _id: 1, b: { d: [{ e: 3 }, {}] } }],
    ['supports nested specifications', { b: { c: 1 } }, { _id: 1, b: { c: 2 } }],
    ['excludes fields', { b: 0, list: 0, items: 0 }, { _id: 1, a: 1 }],
    ['excludes nested fields', { 'b.d': 0, list: 0, items: 0, _id: 0 }, { a: 1, b: { c: 2 } }],
    ['omits a missing field', { none: 1, 'a.none': 1 }, { _id: 1 }],
    ['computes a field', { sum: { $add: ['$a', '$b.c'] } }, { _id: 1, sum: 3 }],
    ['replaces a scalar by a computed document', { 'a.x': '$b.c' }, { _id: 1, a: { x: 2 } }],
    ['slices from the front', { list: { $slice: 2 }, items: 0, b: 0 }, { _id: 1, a: 1, list: [1, 2] }],
    ['slices from the end', { list: { $slice: [-3, 2] }, a: 1 }, { _id: 1, a: 1, list: [2, 3] }],
    ['returns a matching element', { items: { $elemMatch: { n: 2 } } }, { _id: 1, items: [{ k: 'y', n: 2 }] }],
    ['omits the array without a matching element', { items: { $elemMatch: { n: 3 } } }, { _id: 1 }],
  ])('%s', (_name, specification, expected) => {
    const projected = project(specification);
    expect(projected).toEqual(expected);
    expect(Object.keys(projected)).toEqual(Object.keys(expected));
  });

  test('returns the element that the filter matched', () => {
    const matcher = compileFilter({ 'items.k': 'y' });
    expect(project({ 'items.$': 1 }, { matcher })).toEqual({ _id: 1, items: [{ k: 'y', n: 2 }] });
  });

  test('does not modify the stored document', () => {
    const before = structuredClone(DOCUMENT);
    for (const specification of [{ 'b.c': 0 }, { list: { $slice: 1 } }, { 'b.x': { $literal: 1 } }]) {
      project(specification);
    }
    expect(DOCUMENT).toEqual(before);
  });

  test.each<[string, Document, string, ProjectionOptions?]>([
    ['an inclusion among exclusions', { a: 0, b: 1 }, 'Location31253'],
    ['an exclusion among inclusions', { a: 1, b: 0 }, 'Location31254'],
    ['an expression among exclusions', { a: 0, b: '$a' }, 'Location31252'],
    ['the same path twice', { b: { c: 1 }, 'b.c': 1 }, 'Location31250'],
    ['a path below another', { b: 1, 'b.c': 1 }, 'Location31249'],
    ['a path above another', { 'b.c': 1, b: 1 }, 'Location31250'],
    ['a path without an end', { 'b.': 1 }, 'Location40353'],
    ['a path with an empty segment', { 'b..c': 1 }, 'Location15998'],
    ['an empty path', { '': 1 }, 'Location40352'],
    ['an operator as a path', { $a: 1 }, 'Location16410'],
    ['an empty nested specification', { b: {} }, 'Location51270'],
    [
      'two positional projections',
      { 'items.$': 1, 'list.$': 1 },
      'Location31276',
      { matcher: compileFilter({ list: 1 }) },
    ],
    ['a nested $elemMatch', { 'b.d': { $elemMatch: { e: 1 } } }, 'Location31275'],
    ['an unsupported operator', { a: { $meta: 'textScore' } }, 'CommandNotSupported'],
    ['a stage without a field', {}, 'Location51272', { kind: 'stage' }],
  ])('rejects %s', (_name, specification, codeName, options) => {
    expect(() => compileProjection(specification, options)).toThrow(expect.objectContaining({ codeName }));
  });
});

test.each<[string, unknown[], number | null]>([
  ['$indexOfCP', ['aé😀b', 'b'], 3],
  ['$indexOfBytes', ['aé😀b', 'b'], 7],
  ['$indexOfCP', ['aé😀b', '😀b'], 2],
  ['$indexOfCP', ['abc', 'x'], -1],
  ['$indexOfCP', ['abc', ''], 0],
  ['$indexOfCP', ['', 'a'], -1],
  ['$indexOfCP', ['é😀é😀', '😀', 2], 3],
  ['$indexOfCP', ['é😀é😀', '😀', 2, 3], -1],
  ['$indexOfBytes', ['ééé', 'é', 1], 2],
  ['$indexOfCP', [null, 'a'], null],
])('%s of %j is %j', (operator, operands, expected) => {
  expect(project({ found: { [operator]: operands }, _id: 0 })).toEqual({ found: expected });
});
