import { Binary, BSONRegExp, Code, Decimal128, Double, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'bson';
import { describe, expect, test } from 'vitest';
import { parseCollation } from '../../../src/embedded/bson/collation.js';
import { flipKey, toCompoundKeyString, toKeyString } from '../../../src/embedded/bson/key-string.js';
import { compareValues } from '../../../src/embedded/bson/order.js';

/** Values of every type, with their edge cases. */
const VALUES: readonly unknown[] = [
  new MinKey(),
  undefined,
  null,
  Number.NaN,
  Number.NEGATIVE_INFINITY,
  -1e300,
  -2.5,
  -1,
  -0,
  0,
  5e-324,
  0.1,
  1,
  1.5,
  255,
  256,
  2 ** 53,
  Number.POSITIVE_INFINITY,
  new Double(1),
  Long.fromNumber(1),
  Long.MAX_VALUE,
  Long.MIN_VALUE,
  ...['0.1', '-0.1', '1', '1E+400', '-1E+400', '9.999', 'NaN', '1E-6000', '-1E-6000'].map((text) =>
    Decimal128.fromString(text),
  ),
  '',
  '\u0000',
  '\u0000\u0001',
  'a',
  'a\u0000',
  'a\u0000b',
  'ab',
  '\u007f',
  '\u0080',
  '\u07ff',
  '\u0800',
  'ä',
  '\ud7ff',
  '\ue000',
  '\uffff',
  '\ud83d\ude00',
  '\udbff\udfff',
  '\ud800',
  '\udfff',
  'x'.repeat(100_000),
  {},
  { a: 1 },
  { a: 1, b: 2 },
  { b: 1 },
  { a: 'x' },
  { ä: 1 },
  { a: { b: [] } },
  [],
  [undefined],
  [1],
  [1, 2],
  ['a'],
  [[]],
  ...[[], [0], [1], [255], [0, 0], [255, 255, 255, 255]].map((bytes) => new Binary(Uint8Array.from(bytes))),
  new Binary(Uint8Array.from([0]), 128),
  ...['000000000000000000000000', '65000000000000000000000a', 'ffffffffffffffffffffffff'].map((id) => new ObjectId(id)),
  false,
  true,
  ...[-1e12, -1, 0, 1, 1.7e12].map((time) => new Date(time)),
  new Timestamp({ t: 0, i: 0 }),
  new Timestamp({ t: 0, i: 1 }),
  new Timestamp({ t: 4_294_967_295, i: 1 }),
  new BSONRegExp('a', ''),
  new BSONRegExp('a', 'i'),
  new BSONRegExp('ab', ''),
  new Code('f'),
  new Code('f', { a: 1 }),
  new MaxKey(),
];

const orderOf = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

/** The pairs whose keys are not in the expected order. */
function pairsOutOfOrder(toKey: (value: unknown) => string, direction: 1 | -1): unknown[] {
  const keys = VALUES.map(toKey);
  return VALUES.flatMap((left, i) =>
    VALUES.flatMap((right, j) => {
      const expected = direction * Math.sign(compareValues(left, right));
      return orderOf(keys[i] as string, keys[j] as string) === expected + 0 ? [] : [[left, right]];
    }),
  );
}

describe('key strings', () => {
  test('order as the values, and in reverse when they are flipped', () => {
    expect(pairsOutOfOrder((value) => toKeyString(value), 1)).toEqual([]);
    expect(pairsOutOfOrder((value) => flipKey(toKeyString(value)), -1)).toEqual([]);
  });

  test('are not prefixes of each other, and contain only bytes', () => {
    const keys = [...new Set(VALUES.map((value) => toKeyString(value)))];
    for (const key of keys) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: keys can contain every byte
      expect(key).toMatch(/^[\x00-\xff]+$/);
      expect(keys.filter((other) => other !== key && other.startsWith(key))).toEqual([]);
    }
  });

  test('can be concatenated for several fields', () => {
    const [a, b] = [toKeyString('a'), toKeyString(2)];
    expect(toCompoundKeyString(['a', 2], [false, false])).toBe(a + b);
    expect(toCompoundKeyString(['a', 2], [false, true])).toBe(a + flipKey(b));
  });

  test('are equal for strings that are equal under a collation', () => {
    const collation = parseCollation({ locale: 'en', strength: 1 });
    expect(toKeyString('Zoë', collation)).toBe(toKeyString('zoe', collation));
    expect(toKeyString('Zoë')).not.toBe(toKeyString('zoe'));
    const [left, right] = ['\ufffd', '\ud83d\ude00'];
    const expected = Math.sign(compareValues(left, right, collation));
    expect(orderOf(toKeyString(left, collation), toKeyString(right, collation))).toBe(expected);
  });
});
