import {
  Binary,
  BSONRegExp,
  BSONSymbol,
  Code,
  Decimal128,
  Double,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  serialize,
  Timestamp,
  UUID,
} from 'bson';
import { describe, expect, test } from 'vitest';
import { decodeDocument } from '../../../src/embedded/bson/decode.js';
import { encodeDocument } from '../../../src/embedded/bson/encode.js';
import { createRandom, type Random } from '../../support/random.js';

type Fields = Record<string, unknown>;

const NAMES = ['a', 'bé', '漢', '$ref', '__proto__', 'constructor', '0', '', 'n'.repeat(70)];
const TEXTS = ['', 'abc', 'ü', '漢字', '😀', '\ud800', 'a\0b', 'x'.repeat(33), 'ü'.repeat(40), 'é'.repeat(4100)];

const SCALARS: readonly ((random: Random) => unknown)[] = [
  (random) => random.integer(2 ** 31) - 2 ** 30,
  (random) => random.next() * 1e12,
  (random) => random.pick([-0, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 53]),
  (random) => random.pick(TEXTS),
  (random) => random.chance(0.5),
  () => null,
  () => undefined,
  (random) => new Date(random.pick([0, -1, 1.7e12, 8.64e15, -8.64e15])),
  () => new ObjectId(),
  (random) => Long.fromBigInt(random.pick([0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n])),
  (random) => new Double(random.pick([0, 3, -7.5])),
  () => Decimal128.fromString('-1.25E+3'),
  (random) => new Binary(Buffer.from('bytes'), random.integer(3)),
  () => new UUID(),
  () => new Timestamp({ t: 7, i: 2 }),
  () => new BSONRegExp('^a', 'xim'),
  () => new Code('f', { n: 1 }),
  () => new Code('f'),
  () => new MinKey(),
  () => new MaxKey(),
  () => new BSONSymbol('s'),
];

function createValue(random: Random, depth: number): unknown {
  const kind = random.integer(SCALARS.length + 4);
  const scalar = SCALARS[kind];
  if (scalar || depth > 4) return scalar?.(random);
  if (kind % 2 === 0) return createFields(random, depth + 1);
  return Array.from({ length: random.integer(13) }, () => createValue(random, depth + 1));
}

function createFields(random: Random, depth = 0): Fields {
  const fields: Fields = {};
  for (let count = random.integer(9); count > 0; count -= 1) {
    const value = createValue(random, depth);
    Object.defineProperty(fields, random.pick(NAMES), { value, enumerable: true, configurable: true, writable: true });
  }
  return fields;
}

function nest(depth: number): Fields {
  let fields: Fields = {};
  for (let level = 1; level < depth; level += 1) fields = { a: fields };
  return fields;
}

describe('encoding', () => {
  test('produces the same bytes as the bson package, and decodes them to the same values', () => {
    const random = createRandom(11);
    for (let round = 0; round < 6000; round += 1) {
      const fields = createFields(random);
      const bytes = encodeDocument(fields);
      expect(bytes.equals(serialize(fields, { ignoreUndefined: true }))).toBe(true);
      expect(encodeDocument(decodeDocument(bytes)).equals(bytes)).toBe(true);
    }
  });

  test('leaves the bytes for a header untouched', () => {
    const bytes = encodeDocument({ a: 'b' }, { headBytes: 5, maxDepth: 10 });
    expect(bytes.subarray(5)).toEqual(encodeDocument({ a: 'b' }));
    expect(bytes.length).toBe(5 + serialize({ a: 'b' }).length);
  });

  test('encodes documents of 16 MB with any content', () => {
    for (const text of ['x'.repeat(16_000_000), 'é'.repeat(8_000_000)]) {
      expect(encodeDocument({ text }).length).toBe(16_000_000 + 16);
    }
  });

  test.each([
    ['a long string', { text: 'x'.repeat(18_000_000) }],
    ['a long string of multibyte characters', { text: '漢'.repeat(6_000_000) }],
    ['many short strings', { list: Array.from({ length: 1_500_000 }, () => 'abcd') }],
    ['long binary data', { data: new Binary(Buffer.alloc(18_000_000)) }],
  ])('rejects a document that is too large: %s', (_name, fields) => {
    expect(() => encodeDocument(fields)).toThrow(expect.objectContaining({ codeName: 'BSONObjectTooLarge' }));
    expect(decodeDocument(encodeDocument({ after: 1 }))).toEqual({ after: 1 });
  });

  test('rejects a document that nests too deeply', () => {
    const options = { headBytes: 0, maxDepth: 200 };
    expect(() => encodeDocument(nest(200), options)).not.toThrow();
    expect(() => encodeDocument(nest(201), options)).toThrow(expect.objectContaining({ codeName: 'Overflow' }));
    expect(() => encodeDocument({ list: [nest(199)] }, options)).toThrow('maximum nested object depth');
  });

  test.each(['a\0b', 'é\0', 'constructor\0'])('rejects the field name %j', (name) => {
    expect(() => encodeDocument({ [name]: 1 })).toThrow('must not contain null bytes');
    expect(() => encodeDocument({ [name]: new MinKey() })).toThrow('must not contain null bytes');
  });
});
