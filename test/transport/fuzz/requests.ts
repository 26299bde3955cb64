import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { Route } from '#shared/contracts/contract.js';
import { fieldsOf, type JsonSchema } from '../../../src/documents/json-schema.js';
import type { Random } from '../../support/random.js';
import { type Json, toText } from './json.js';
import { spoil } from './malformed-frames.js';
import { hostile, mutate } from './mutate.js';
import { type Pools, sample, schemaOf } from './samples.js';
import type { HttpCall } from './wire.js';

interface Source {
  readonly random: Random;
  readonly pools: Pools;
}

const VALID_SHARE = 0.4;
const METHODS = ['get', 'post', 'put', 'delete', 'patch', 'options', 'head', 'propfind'];
const TYPES = [
  'application/json',
  'application/json',
  'application/json; charset=utf-8',
  'application/json; charset=utf-16',
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=b',
  'application/xml',
  'x',
  '',
];

/** A request for a route, usually valid for its contract. The caller adds credentials. */
export function makeRequest(route: Route, { random, pools }: Source): HttpCall {
  const isValid = random.chance(VALID_SHARE);
  const one = (schema: JsonSchema, field: string): string => {
    const valid = sample(schema, { random, pools }, field);
    return textOf(isValid || random.chance(0.7) ? valid : mutate(valid, random));
  };
  const params = new Map(
    route.params === undefined
      ? []
      : fieldsOf(schemaOf(route.params)).map(
          ({ name, schema }) => [name, encodePart(one(schema, name), random)] as const,
        ),
  );
  const path = route.path.replaceAll(/:(\w+)/g, (_, name: string) => params.get(name) ?? '');
  const query = makeQuery(route, { random, one });
  const method = random.chance(0.03) ? random.pick(METHODS) : route.method;
  const body =
    route.body === undefined && !random.chance(0.05) ? undefined : makeBody(route, { random, pools }, isValid);
  const key = random.chance(0.2)
    ? { 'idempotency-key': random.pick(['one', 'two', 'x'.repeat(128), 'x'.repeat(129), '']) }
    : {};
  return {
    method: method.toUpperCase(),
    path: `${path || '/'}${query === '' ? '' : `?${query}`}`,
    headers: { ...key, ...body?.headers },
    body: body?.bytes,
  };
}

const textOf = (value: Json): string => (typeof value === 'string' ? value : toText(value)).slice(0, 4000);

/** Encodes a path segment, sometimes with characters that are valid in a URL and unexpected in a path. */
function encodePart(text: string, random: Random): string {
  if (random.chance(0.03))
    return random.pick(['%', '%00', '%ff', '%2e%2e', '..', '%2F', '%c0%ae', ':id', '*', '%F0%9F%92%A9']);
  return encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, ''));
}

interface QuerySource {
  random: Random;
  one(schema: JsonSchema, field: string): string;
}

function makeQuery({ query }: Route, { random, one }: QuerySource): string {
  if (query === undefined) return random.chance(0.05) ? random.pick(['x=1', '__proto__=1', '%', '&&&', 'a[b]=1']) : '';
  const fields = fieldsOf(schemaOf(query))
    .filter(({ isRequired }) => isRequired || random.chance(0.4))
    .map(({ name, schema }) => `${name}=${encodePart(one(schema, name), random)}`);
  const odd = random.pick([
    'durabel=true',
    'limit=1&limit=2',
    'limit[]=1',
    '__proto__=x',
    'limit',
    '=',
    'x'.repeat(3000),
  ]);
  return [...fields, ...(random.chance(0.1) ? [odd] : [])].join('&');
}

interface Body {
  readonly bytes: string | Buffer;
  readonly headers: Record<string, string>;
}

function makeBody({ body }: Route, { random, pools }: Source, isValid: boolean): Body {
  const valid = body === undefined ? {} : sample(schemaOf(body), { random, pools });
  const value = isValid ? valid : mutate(valid, random);
  const text = toText(value);
  const json = { 'content-type': 'application/json' };
  if (isValid || random.chance(0.6)) return { bytes: text, headers: json };
  return random.pick<() => Body>([
    () => ({ bytes: spoil(text, random), headers: json }),
    () => ({ bytes: Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text)]), headers: json }),
    () => ({ bytes: Buffer.concat([Buffer.from(text), Buffer.from([0xff, 0])]), headers: json }),
    () => ({ bytes: deep(random.pick([100, 129, 5000])), headers: json }),
    () => ({ bytes: toText(hostile(random)), headers: json }),
    () => ({ bytes: text, headers: { 'content-type': random.pick(TYPES) } }),
    () => ({ bytes: toForm(value), headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
    () => ({ bytes: toMultipart(text), headers: { 'content-type': 'multipart/form-data; boundary=b' } }),
    () => ({ bytes: gzipSync(text), headers: { ...json, 'content-encoding': 'gzip' } }),
    () => ({ bytes: deflateSync(text).subarray(1), headers: { ...json, 'content-encoding': 'deflate' } }),
    () => ({
      bytes: brotliCompressSync(text),
      headers: { ...json, 'content-encoding': random.pick(['br', 'gzip', 'x']) },
    }),
    () => ({ bytes: '', headers: json }),
  ])();
}

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

const toForm = (value: Json): string =>
  Object.entries(value !== null && typeof value === 'object' ? value : { value })
    .map(([key, held]) => `${encodeURIComponent(key.replaceAll(/\p{Surrogate}/gu, ''))}=${encodePart2(held)}`)
    .join('&');

const encodePart2 = (held: Json): string => encodeURIComponent(textOf(held).replaceAll(/\p{Surrogate}/gu, ''));

const toMultipart = (text: string): string =>
  ['--b', 'Content-Disposition: form-data; name="file"; filename="../a\u0000.png"', '', text, '--b', '', text].join(
    '\r\n',
  );
