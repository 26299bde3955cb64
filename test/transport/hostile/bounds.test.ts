import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ClientEvent } from '#shared/contracts/contract.js';
import { publishedContracts } from '#shared/contracts/index.js';

/** The keywords of a JSON Schema that the test reads. */
interface Node {
  type?: string;
  maxItems?: number;
  maxLength?: number;
  [key: string]: unknown;
}

const incoming = publishedContracts.flatMap(({ contract }) => [
  ...Object.entries<ClientEvent>(contract.clientEvents).map(([name, { payload }]) => [
    `${contract.name}: ${name}`,
    payload,
  ]),
  ...Object.values(contract.routes).flatMap(({ method, path, params, query, body }) =>
    [params, query, body].flatMap((schema) => (schema === undefined ? [] : [[`${method} ${path}`, schema]])),
  ),
]) as [string, z.ZodType][];

/** All subschemas of a schema. */
function* partsOf(value: unknown): Generator<Node> {
  if (value === null || typeof value !== 'object') return;
  if (!Array.isArray(value)) yield value as Node;
  for (const part of Object.values(value)) yield* partsOf(part);
}

// The parser reads an unbounded list to its end: half a million invalid items block the event loop for more than a second.
// A list above its bound is refused unread.
describe.each(incoming)('%s', (_name, schema) => {
  const parts = [...partsOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))];

  test('bounds every list it accepts', () => {
    const lists = parts.filter(({ type }) => type === 'array');
    expect(lists.filter(({ maxItems, prefixItems }) => maxItems === undefined && prefixItems === undefined)).toEqual(
      [],
    );
  });

  test('accepts no unbounded record', () => {
    const records = parts.filter(({ type, additionalProperties }) => {
      const isOpen = typeof additionalProperties === 'object' && additionalProperties !== null;
      return type === 'object' && isOpen && Object.keys(additionalProperties).length > 0;
    });
    expect(records.filter(({ maxProperties }) => maxProperties === undefined)).toEqual([]);
  });
});
