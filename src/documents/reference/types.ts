import type { JsonSchema } from '../json-schema.js';
import { type Html, html, join } from './html.js';

const REFERENCE = '#/components/schemas/';

/** The name of the component that a schema refers to, alone or with a description. */
export function nameOf(schema: JsonSchema): string | undefined {
  const reference = schema['$ref'];
  return typeof reference === 'string' ? reference.slice(REFERENCE.length) : undefined;
}

/** The alternatives of a schema. */
export const alternativesOf = (schema: JsonSchema): readonly JsonSchema[] =>
  (schema['anyOf'] ?? schema['oneOf'] ?? []) as JsonSchema[];

/** The type of a field in a few words, with links to named types. */
export function toType(schema: JsonSchema): Html {
  const name = nameOf(schema);
  if (name !== undefined) return html`<a href="#type.${name}">${name}</a>`;
  const alternatives = alternativesOf(schema);
  if (alternatives.length > 0) {
    const types = alternatives.map((one) => toType({ ...withoutAlternatives(schema), ...one }));
    return join(unique(types), ' or ');
  }
  if ('const' in schema) return toLiteral(schema['const']);
  if (Array.isArray(schema['enum'])) return join(schema['enum'].map(toLiteral), ' | ');
  const { type } = schema;
  if (Array.isArray(type))
    return join(
      type.map((one: unknown) => toType({ ...schema, type: one })),
      ' or ',
    );
  if (type === 'array') return toArrayType(schema);
  if (type === 'object') return toObjectType(schema);
  return html`${toWord(schema)}`;
}

const withoutAlternatives = ({ anyOf: _, oneOf: __, ...rest }: JsonSchema): JsonSchema => rest;

/** The same type twice, such as of numbers with different bounds, is named once. */
const unique = (types: readonly Html[]): Html[] => [...new Map(types.map((type) => [type.html, type])).values()];

const toLiteral = (value: unknown): Html => html`<code>${JSON.stringify(value)}</code>`;

function toArrayType(schema: JsonSchema): Html {
  const items = schema['items'] as JsonSchema | undefined;
  return items === undefined || Array.isArray(schema['prefixItems']) ? html`list` : html`list of ${toType(items)}`;
}

function toObjectType(schema: JsonSchema): Html {
  const values = schema['additionalProperties'] as JsonSchema | boolean | undefined;
  const isMap = schema['properties'] === undefined && typeof values === 'object' && Object.keys(values).length > 0;
  return isMap ? html`map to ${toType(values)}` : html`object`;
}

const WORDS: Readonly<Record<string, string>> = {
  integer: 'whole number',
  string: 'text',
  boolean: 'true or false',
};

/** The pattern of `objectId`, as a schema of JSON has it. */
export const OBJECT_ID_PATTERN = '^[0-9a-fA-F]{24}$';

function toWord({ type, format, pattern }: JsonSchema): string {
  if (format === 'date-time') return 'time';
  if (format === 'binary') return 'binary';
  if (pattern === OBJECT_ID_PATTERN) return 'id';
  return typeof type === 'string' ? (WORDS[type] ?? type) : 'any value';
}
