import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import type { ContractExamples, RouteExample } from '#shared/contracts/examples/example.js';
import { generalExamples } from '#shared/contracts/examples/replies.js';
import {
  configuredNamespaces,
  type PublishedNamespace,
  publishedContracts,
  publishedNamespaces,
} from '#shared/contracts/index.js';
import { requestFailure } from '#shared/contracts/reply-schemas.js';
import { createAsyncApi } from '../../src/documents/async-api.js';
import { createOpenApi } from '../../src/documents/open-api.js';
import { createEventComparison, createRestComparison } from './hold.js';

/** A schema, and what the contracts give as an example of it. */
type Pair = [place: string, schema: z.ZodType, example: unknown];

const partsOf = (declared: object, example: object, names: readonly string[]): Pair[] =>
  names.flatMap((name) => {
    const schema: unknown = (declared as Record<string, unknown>)[name];
    if (schema === undefined || typeof schema === 'string') return [];
    return [[name, schema as z.ZodType, (example as Record<string, unknown>)[name]] as Pair];
  });

const routeParts = ['params', 'query', 'headers', 'body', 'answer', 'sends'] as const;

function pairsOfRoute(route: object, example: RouteExample): Pair[] {
  const failures = Object.entries((route as { failures?: Record<string, z.ZodType> }).failures ?? {}).map(
    ([status, schema]): Pair => [status, schema, example.failures?.[Number(status)]],
  );
  // Routes of backends refuse unknown keys of the query, which is a schema without fields where there is no query.
  const parts = partsOf(route, { query: {}, ...example }, routeParts);
  return [...parts, ...failures];
}

const pairs: Pair[] = publishedContracts.flatMap(({ contract, examples }) => {
  const eventPairs = (events: Readonly<Record<string, object>>, given: ContractExamples['clientEvents']) =>
    Object.entries(events).flatMap(([event, declared]) =>
      partsOf(declared, given[event] ?? {}, ['payload', 'answer']).map(
        ([part, ...rest]): Pair => [`${contract.name} ${event} ${part}`, ...rest],
      ),
    );
  const routes = Object.entries(contract.routes).flatMap(([name, route]) =>
    pairsOfRoute(route, examples.routes[name] ?? {}).map(
      ([part, ...rest]): Pair => [`${contract.name} ${name} ${part}`, ...rest],
    ),
  );
  const relayed = contract.relayed?.payload === undefined ? [] : [contract.relayed.payload];
  return [
    ...eventPairs(contract.clientEvents, examples.clientEvents),
    ...eventPairs(contract.serverEvents, examples.serverEvents),
    ...relayed.map((schema): Pair => [`${contract.name} relayed`, schema, examples.relayed?.payload]),
    ...routes,
  ];
});

const namespaces: PublishedNamespace[] = Object.values({ ...publishedNamespaces, ...configuredNamespaces });
const general: Pair[] = [
  ...namespaces.flatMap(({ replies, handshake }) => [
    replies.failure,
    replies.refusal,
    ...(handshake?.auth ? [handshake.auth] : []),
  ]),
  ...publishedContracts.map(({ contract }) => contract.requestFailure ?? requestFailure),
].map((schema, index) => [`general ${index}`, schema, generalExamples.get(schema)]);

describe('every schema of the contracts has an example', () => {
  test('that it accepts', () => {
    expect(pairs.length).toBeGreaterThan(200);
    const wrong = [...pairs, ...general].flatMap(([place, schema, example]) => {
      const parsed = example === undefined ? undefined : schema.safeParse(example);
      return parsed?.success ? [] : [[place, parsed?.error?.message ?? 'has no example']];
    });
    expect(wrong).toEqual([]);
  });

  test('with real ids, times and texts', () => {
    const texts = pairs.flatMap(([place, , example]) =>
      stringsOf(example).map(([key, text]) => ({ place, key, text })),
    );
    expect(texts.length).toBeGreaterThan(500);
    const dull = texts.filter(({ text }) => /^(?:string|foo|bar|test|example|lorem.*|x+|a+|0+|1+)$/i.test(text));
    expect(dull).toEqual([]);
    // An ObjectId begins with a time; those of made-up ids are far off.
    const ids = texts.filter(({ text }) => /^[0-9a-f]{24}$/.test(text));
    const madeUp = ids.filter(({ text }) => {
      const year = new Date(Number.parseInt(text.slice(0, 8), 16) * 1000).getUTCFullYear();
      return year < 2024 || year > 2027 || new Set(text).size < 8;
    });
    expect(ids.length).toBeGreaterThan(100);
    expect(madeUp).toEqual([]);
    const times = texts.filter(({ key }) => /(?:At|_at|timestamp|lastSeen|since)$/.test(key));
    expect(times.filter(({ text }) => Number.isNaN(Date.parse(text)))).toEqual([]);
  });
});

/** Every text in a value, with the name of its field. */
function stringsOf(value: unknown, key = ''): [key: string, text: string][] {
  if (typeof value === 'string') return [[key, value]];
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return [];
  return Object.entries(value).flatMap(([name, inner]) => stringsOf(inner, Array.isArray(value) ? key : name));
}

describe('the documents hold the examples, which fit the schemas beside them', () => {
  test('in OpenAPI', () => {
    const document = JSON.parse(JSON.stringify(createOpenApi()));
    const compare = createRestComparison(document);
    const contents = Object.values<Record<string, Described>>(document.paths).flatMap((methods) =>
      Object.values(methods).flatMap(contentsOf),
    );
    expect(contents.filter(({ schema, example }) => schema !== undefined && example === undefined)).toEqual([]);
    expect(contents.flatMap(({ schema, example }) => (schema === undefined ? [] : compare(schema, example)))).toEqual(
      [],
    );
    expect(contents.length).toBeGreaterThan(80);
  });

  test('in AsyncAPI', () => {
    const document = JSON.parse(JSON.stringify(createAsyncApi()));
    const compare = createEventComparison(document);
    const messages = Object.entries<{ payload?: unknown; examples?: { payload: unknown }[] }>(
      document.components.messages,
    );
    const withPayload = messages.filter(([, { payload }]) => payload !== undefined);
    expect(withPayload.filter(([, { examples = [] }]) => examples.length === 0).map(([id]) => id)).toEqual([]);
    const wrong = withPayload.flatMap(([id, { payload, examples = [] }]) =>
      examples.flatMap((example) => compare(payload, example.payload).map((fault) => [id, fault])),
    );
    expect(wrong).toEqual([]);
  });
});

interface Content {
  readonly schema?: unknown;
  readonly example?: unknown;
}

interface Described {
  readonly requestBody?: { readonly content: Record<string, Content> };
  readonly responses: Record<string, { readonly content: Record<string, Content> }>;
}

/** The contents of the request and the responses of an operation. */
const contentsOf = ({ requestBody, responses }: Described): Content[] => [
  ...Object.values(requestBody?.content ?? {}),
  ...Object.values(responses).flatMap(({ content }) => Object.values(content)),
];
