import { z } from 'zod';

/** A JSON Schema, as part of a document. */
export type JsonSchema = Record<string, unknown>;

/** Versions of JSON Schema: OpenAPI 3.1 uses the newer, AsyncAPI 3.0 the older. */
export type SchemaDialect = 'draft-2020-12' | 'draft-7';

/**
 * Converts a Zod schema to JSON Schema. Omits checks that JSON Schema cannot express, and fields that accept only
 * `undefined`.
 */
export function toJsonSchema(schema: z.ZodType, dialect: SchemaDialect): JsonSchema {
  const { $schema: _, ...jsonSchema } = z.toJSONSchema(schema, {
    io: 'input',
    target: dialect,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: made }) => simplify(zodSchema._zod.def.type, made),
  });
  return jsonSchema;
}

function simplify(type: string, made: JsonSchema): void {
  if (type === 'undefined') made['not'] = {};
  // Omits the bounds of safe integers and of calendar dates, which do not help readers.
  if (made['minimum'] === Number.MIN_SAFE_INTEGER) delete made['minimum'];
  if (made['maximum'] === Number.MAX_SAFE_INTEGER) delete made['maximum'];
  if (made['format'] === 'date-time') delete made['pattern'];
  const properties = made['properties'] as Record<string, JsonSchema> | undefined;
  if (properties === undefined) return;
  made['properties'] = Object.fromEntries(Object.entries(properties).filter(([, property]) => !isImpossible(property)));
}

const isImpossible = ({ not }: JsonSchema): boolean => not !== undefined && Object.keys(not as object).length === 0;

/** The fields of an object schema, and whether each is required. */
export function fieldsOf(schema: JsonSchema): { name: string; schema: JsonSchema; isRequired: boolean }[] {
  const properties = (schema['properties'] ?? {}) as Record<string, JsonSchema>;
  const required = (schema['required'] ?? []) as string[];
  return Object.entries(properties).map(([name, property]) => ({
    name,
    schema: property,
    isRequired: required.includes(name),
  }));
}
