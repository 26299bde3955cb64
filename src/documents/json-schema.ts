import { z } from 'zod';
import { schemaNames } from '#shared/contracts/names.js';

/** A JSON Schema, as part of a document. */
export type JsonSchema = Record<string, unknown>;

/** Versions of JSON Schema: OpenAPI 3.1 uses the newer, AsyncAPI 3.0 the older. */
export type SchemaDialect = 'draft-2020-12' | 'draft-7';

/** Writes the schemas of one document. Named schemas become components, which the others refer to. */
export interface SchemaWriter {
  /** The JSON Schema, with a `$ref` for each named schema. */
  toSchema(schema: z.ZodType): JsonSchema;
  /** The components that {@link SchemaWriter.toSchema} referred to so far, by name. */
  readonly components: Readonly<Record<string, JsonSchema>>;
}

/** Marks a schema that has a name, until it is replaced by a reference. */
const NAME = 'x-name';

/** Creates the writer of a document. */
export function createSchemaWriter(dialect: SchemaDialect): SchemaWriter {
  const components: Record<string, JsonSchema> = {};
  const schemas = new Map([...schemaNames].map(([schema, name]) => [name, schema]));

  function toReference(name: string, description: unknown): JsonSchema {
    const schema = schemas.get(name);
    if (schema !== undefined && components[name] === undefined) {
      const { [NAME]: _, ...component } = toJsonSchema(schema, dialect, schemaNames);
      // Reserves the place before the schemas inside are replaced.
      components[name] = component;
      components[name] = replaceNamed(component) as JsonSchema;
    }
    const reference = { $ref: `#/components/schemas/${name}` };
    if (description === undefined || description === components[name]?.['description']) return reference;
    // Until draft 7, keywords next to `$ref` are ignored.
    return dialect === 'draft-7' ? { description, allOf: [reference] } : { description, ...reference };
  }

  function replaceNamed(part: unknown): unknown {
    if (Array.isArray(part)) return part.map(replaceNamed);
    if (part === null || typeof part !== 'object') return part;
    const { [NAME]: name, ...rest } = part as JsonSchema;
    if (typeof name === 'string') return toReference(name, rest['description']);
    return Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, replaceNamed(inner)]));
  }

  return {
    components,
    toSchema: (schema) => replaceNamed(toJsonSchema(schema, dialect, schemaNames)) as JsonSchema,
  };
}

/**
 * Converts a Zod schema to JSON Schema without references. Omits checks that JSON Schema cannot express, and fields that
 * accept only `undefined`.
 * @param names of schemas that are marked, to be replaced by references
 */
export function toJsonSchema(
  schema: z.ZodType,
  dialect: SchemaDialect,
  names: ReadonlyMap<z.ZodType, string> = new Map(),
): JsonSchema {
  const { $schema: _, ...jsonSchema } = z.toJSONSchema(schema, {
    io: 'input',
    target: dialect,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema: made }) => {
      simplify(zodSchema._zod.def.type, made);
      const name = (names as ReadonlyMap<unknown, string>).get(zodSchema);
      if (name !== undefined) made[NAME] = name;
    },
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
