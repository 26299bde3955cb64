import type { z } from 'zod';
import { type JsonSchema, toJsonSchema } from '../../../src/documents/json-schema.js';
import type { Random } from '../../support/random.js';
import { type Json, objectOf } from './json.js';

/** Values that exist in the database, by field name. */
export type Pools = Readonly<Record<string, readonly string[]>>;

const OPTIONAL_SHARE = 0.6;
/** Probability of a boundary value: the end of the range, or one beyond. */
const BOUNDARY_SHARE = 0.08;

const WORDS = [
  'general',
  'sales',
  'you',
  'Hello',
  'news',
  'Grüße 🚀',
  'a',
  '0',
  'true',
  'https://example.com/a.png',
  '👍',
];
const TIMES = ['2030-05-06T07:49:29.196Z', '2020-01-01T00:00:00+02:00', '1970-01-01T00:00:00Z', '9999-12-31T23:59:59Z'];

const schemas = new WeakMap<z.ZodType, JsonSchema>();

/** A JSON Schema of a contract. */
export function schemaOf(schema: z.ZodType): JsonSchema {
  const known = schemas.get(schema) ?? toJsonSchema(schema, 'draft-2020-12');
  schemas.set(schema, known);
  return known;
}

/** A value that is valid for a schema, or invalid by one at the end of a range. */
export function sample(schema: JsonSchema, { random, pools }: { random: Random; pools: Pools }, field = ''): Json {
  const again = (inner: unknown, name = field): Json => sample((inner ?? {}) as JsonSchema, { random, pools }, name);
  const choices = (schema['anyOf'] ?? schema['oneOf']) as JsonSchema[] | undefined;
  // The branches of a schema can all describe one type, such as formats of a string.
  if (choices !== undefined) return again({ ...schema, anyOf: undefined, oneOf: undefined, ...random.pick(choices) });
  if ('const' in schema) return schema['const'] as Json;
  if (Array.isArray(schema['enum'])) return random.pick(schema['enum'] as Json[]);
  switch (schema['type']) {
    case 'object':
      return sampleObject(schema, random, again);
    case 'array':
      return sampleArray(schema, random, again);
    case 'string':
      return sampleText(schema, random, pools[field] ?? pools['']);
    case 'integer':
    case 'number':
      return sampleNumber(schema, random);
    case 'boolean':
      return random.chance(0.5);
    case 'null':
      return null;
    default:
      return random.pick<Json>([null, 1, 'text', [], {}, { title: 'Hello', list: [1, 'two', null] }, [{ a: [{}] }]]);
  }
}

type Again = (inner: unknown, name?: string) => Json;

function sampleObject(schema: JsonSchema, random: Random, again: Again): Json {
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, JsonSchema>);
  const required = (schema['required'] ?? []) as string[];
  const present = properties.filter(([name]) => required.includes(name) || random.chance(OPTIONAL_SHARE));
  const free = typeof schema['additionalProperties'] === 'object' ? schema['additionalProperties'] : undefined;
  const extra = free === undefined ? [] : Array.from({ length: random.integer(4) }, (_, index) => `key${index}`);
  return objectOf([
    ...present.map(([name, property]) => [name, again(property, name)] as const),
    ...extra.map((name) => [name, again(free, name)] as const),
  ]);
}

function sampleArray(schema: JsonSchema, random: Random, again: Again): Json {
  const fixed = schema['prefixItems'] as JsonSchema[] | undefined;
  if (fixed !== undefined) return fixed.map((item) => again(item));
  const min = Number(schema['minItems'] ?? 0);
  const max = Number(schema['maxItems'] ?? 5);
  const length = random.chance(BOUNDARY_SHARE) ? random.pick([min, max, max + 1]) : min + random.integer(4);
  return Array.from({ length: Math.min(length, 600) }, () => again(schema['items']));
}

function sampleText(schema: JsonSchema, random: Random, known: readonly string[] | undefined): string {
  if (schema['format'] === 'date-time') return random.pick(TIMES);
  const min = Number(schema['minLength'] ?? 0);
  const max = Number(schema['maxLength'] ?? 200);
  if (random.chance(BOUNDARY_SHARE)) return 'x'.repeat(Math.min(random.pick([min, max, max + 1]), 11_000));
  const pattern = typeof schema['pattern'] === 'string' ? new RegExp(schema['pattern'], 'u') : /^/;
  const hex = Array.from({ length: 24 }, () => random.integer(16).toString(16)).join('');
  const candidates = [
    ...(known === undefined ? [] : [random.pick(known), random.pick(known)]),
    random.pick(WORDS),
    String(random.integer(101)),
    hex,
  ];
  return candidates.find((text) => pattern.test(text) && text.length >= min && text.length <= max) ?? hex;
}

function sampleNumber(schema: JsonSchema, random: Random): number {
  const min = Number(schema['minimum'] ?? 0);
  const max = Number(schema['maximum'] ?? 1000);
  if (random.chance(BOUNDARY_SHARE)) return random.pick([min - 1, min, max, max + 1]);
  return min + random.integer(Math.min(max - min, 30) + 1);
}
