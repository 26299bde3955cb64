import type { Random } from '../../support/random.js';
import { type Json, nested, objectOf, token, toText } from './json.js';

const proto = JSON.parse(
  '{"__proto__":{"isPolluted":true},"constructor":{"prototype":{"isPolluted":true}},"then":true}',
) as Json;

/** Replacements for any value. */
const HOSTILE: readonly Json[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  5e-324,
  ...['1e400', '-1e400', '-0', '9007199254740993', '1E-400', '123456789012345678901234567890'].map(token),
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff\ud800',
  '\u202egnp.exe',
  '\u200b',
  '\u2028',
  '\ufeff',
  '👩‍👩‍👧‍👦',
  'e\u0301'.repeat(50),
  'İ'.repeat(40),
  'ß'.repeat(200),
  '../../etc/passwd',
  '%00',
  '*',
  '#',
  'a*',
  '__proto__',
  'constructor',
  'toString',
  '$where',
  '$ref',
  'connect',
  '_batch',
  'javascript:alert(1)',
  '(a+)+$',
  '['.repeat(100),
  '\\'.repeat(99),
  '.*'.repeat(100),
  'x'.repeat(129),
  'x'.repeat(5001),
  'ü'.repeat(10_001),
  '0'.repeat(24),
  'f'.repeat(24),
  'F'.repeat(24),
  'g'.repeat(24),
  '1'.repeat(23),
  '1'.repeat(25),
  '1e3',
  '-1',
  '0x10',
  '2030-02-30T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  '0000-01-01T00:00:00Z',
  '2030-01-01T24:00:00Z',
  '9999-12-31T23:59:59.999999999-23:59',
  '1969-12-31T23:59:59Z',
  '2016-12-31T23:59:60Z',
  'now',
  [],
  {},
  [[]],
  [null],
  [{}],
  nested(60),
  nested(127),
  nested(140),
  Array(501).fill('a'.repeat(24)) as Json,
  Array(3000).fill(0) as Json,
  { $gt: '' },
  { $ne: null },
  { $in: [] },
  { $regex: '(a+)+$' },
  { $where: 'sleep(9)' },
  { $expr: { $gt: [1, 0] } },
  { _bsontype: 'ObjectId', id: 'x'.repeat(12) },
  { $oid: 'a'.repeat(24) },
  { toJSON: 1, toString: 1, valueOf: null },
  { length: 1e9 },
  { _placeholder: true, num: 0 },
  proto,
  { type: 'Buffer', data: [1, 2, 3] },
  { catch: 1 },
  { '': { '': {} } },
  { 'a.b': 1, $set: 2 },
];

const KEYS = [
  '__proto__',
  'constructor',
  'toString',
  '',
  'a.b',
  '$set',
  '_id',
  'token',
  'session_id',
  'account',
  '\u0000',
];

/** Mutates a value at one to three positions: types, lengths, keys, numbers, Unicode, depth. */
export function mutate(value: Json, random: Random): Json {
  let mutated = value;
  for (let change = 1 + random.integer(3); change > 0; change -= 1) {
    mutated = changeAt(mutated, random.integer(sizeOf(mutated)), (found) => change1(found, random)).value;
  }
  return mutated;
}

/** Any hostile value. */
export const hostile = (random: Random): Json => random.pick(HOSTILE);

function sizeOf(value: Json): number {
  if (value === null || typeof value !== 'object') return 1;
  return Object.values(value).reduce<number>((sum, inner) => sum + sizeOf(inner), 1);
}

/** Mutates the value at a position in depth-first order. @returns a copy, and the number of positions left */
function changeAt(value: Json, place: number, change: (found: Json) => Json): { value: Json; left: number } {
  if (place === 0) return { value: change(value), left: -1 };
  let left = place - 1;
  if (value === null || typeof value !== 'object') return { value, left };
  const visit = (inner: Json): Json => {
    if (left < 0) return inner;
    const result = changeAt(inner, left, change);
    left = result.left;
    return result.value;
  };
  if (Array.isArray(value)) return { value: value.map(visit), left };
  return { value: objectOf(Object.entries(value).map(([key, inner]) => [key, visit(inner)] as const)), left };
}

function change1(value: Json, random: Random): Json {
  if (random.chance(0.35)) return hostile(random);
  if (random.chance(0.1)) return random.pick<Json>([[value], { value }, { $eq: value }, toText(value)]);
  if (typeof value === 'string') return changeText(value, random);
  if (typeof value === 'number') return changeNumber(value, random);
  if (Array.isArray(value)) return changeList(value, random);
  if (value !== null && typeof value === 'object') return changeObject(value, random);
  return hostile(random);
}

function changeText(text: string, random: Random): Json {
  const at = random.integer(text.length + 1);
  const insert = random.pick(['\u0000', '\ud83d', '🚀', ' ', '"', '\\', '$', '.', '\u202e', ',', '\u001e']);
  return random.pick<Json>([
    text.slice(0, at),
    text.slice(0, at) + insert + text.slice(at),
    text.repeat(1 + random.integer(40)),
    text.toUpperCase(),
    ` ${text} `,
    Number(text) || 0,
  ]);
}

const changeNumber = (value: number, random: Random): Json =>
  random.pick<Json>([
    value + 1,
    value - 1,
    -value,
    value + 0.5,
    value * 1e6,
    String(value),
    Number.isSafeInteger(value) ? token(`${value}e0`) : -value,
  ]);

function changeList(list: Json[], random: Random): Json {
  const [first = hostile(random)] = list;
  return random.pick<Json>([
    list.slice(1),
    [...list, ...list],
    [...list, hostile(random)],
    Array(random.pick([21, 101, 501, 1001])).fill(first) as Json,
    [...list].reverse(),
    objectOf(list.map((item, index) => [String(index), item] as const)),
  ]);
}

function changeObject(object: { [key: string]: Json }, random: Random): Json {
  const entries = Object.entries(object);
  const [key, inner] = random.pick(entries.length === 0 ? [['', null] as const] : entries);
  const [otherKey] = random.pick(entries.length === 0 ? [['', null] as const] : entries);
  const without = entries.filter(([name]) => name !== key);
  return random.pick<Json>([
    objectOf(without),
    objectOf([...entries, [random.pick(KEYS), hostile(random)]]),
    objectOf([...without, [key.toUpperCase(), inner]]),
    objectOf([...entries, [otherKey, inner]]),
    entries.map(([, held]) => held),
    objectOf([...entries, ...Array.from({ length: 300 }, (_, index) => [`k${index}`, index] as const)]),
  ]);
}
