import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Route } from '#shared/contracts/contract.js';
import { publishedContracts } from '#shared/contracts/index.js';
import { GatewayError } from '../src/errors.js';
import { parse, safeParse } from '../src/validation.js';

/** No number and no text can be made of it. */
const odd = { toString: 1, valueOf: null };
const oddValues = [{ length: odd }, { size: odd }, [{ length: odd }], { length: [odd] }];

/** What a call is answered with; its input is never what fails the gateway. */
function codeOf(schema: z.ZodType, input: unknown): string {
  try {
    parse(schema, input);
    return 'SUCCESS';
  } catch (error) {
    return error instanceof GatewayError ? error.code : String(error);
  }
}

/** Inputs with the value in place of all, and in place of each field. */
function inputsWith(schema: z.ZodType, value: unknown): unknown[] {
  const inner = schema instanceof z.ZodOptional ? (schema.unwrap() as z.ZodType) : schema;
  const fields = inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
  return [value, ...fields.map((field) => ({ [field]: value }))];
}

const schemas = publishedContracts.flatMap(({ contract }) => [
  ...Object.entries(contract.clientEvents).map(([name, { payload }]) => [name, payload] as const),
  ...Object.entries<Route>(contract.routes).flatMap(([name, { params, query, body }]) =>
    [params, query, body].flatMap((schema) => (schema === undefined ? [] : [[name, schema] as const])),
  ),
]);

describe('an object whose length is no number', () => {
  test.each(schemas)('is a validation error, or free data, for %s', (_, schema) => {
    const codes = oddValues.flatMap((value) => inputsWith(schema, value)).map((input) => codeOf(schema, input));
    expect(codes.filter((code) => code !== 'VALIDATION_ERROR' && code !== 'SUCCESS')).toEqual([]);
  });

  test('is named by its path', () => {
    const schema = z.object({ names: z.array(z.string().min(1)) });
    expect(() => parse(schema, { names: ['Ann', { length: odd }] })).toThrow(
      expect.objectContaining({
        code: 'VALIDATION_ERROR',
        info: { details: [{ path: 'names.1.length', message: 'must be a number' }] },
      }),
    );
  });

  test('does not hide an error of a schema', () => {
    const broken = z.string().refine(() => {
      throw new Error('a fault of the schema');
    });
    expect(() => safeParse(broken, 'text')).toThrow('a fault of the schema');
  });
});
