import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

type Part = Record<string, unknown>;

/** Says what of a value a document does not allow, or does not mention; nothing when they agree. */
export type Compare = (schema: unknown, found: unknown) => unknown[];

/** Compares with the schemas of an OpenAPI document. */
export const createRestComparison = (document: object): Compare =>
  createComparison(new Ajv2020({ strict: false, allErrors: true }), document);

/** Compares with the schemas of an AsyncAPI document. */
export const createEventComparison = (document: object): Compare =>
  createComparison(new Ajv({ strict: false, allErrors: true }), document);

function createComparison(ajv: Ajv | Ajv2020, document: object): Compare {
  addFormats.default(ajv as Ajv);
  return (schema, found) => {
    const validate = ajv.compile(close(resolve(document, schema)) as object);
    return validate(found) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => [instancePath, message]);
  };
}

/** A part of a document, in which each reference is replaced by what it stands for. */
export function resolve(document: unknown, part: unknown): unknown {
  if (Array.isArray(part)) return part.map((inner) => resolve(document, inner));
  if (part === null || typeof part !== 'object') return part;
  const { $ref: reference, ...rest } = part as Part;
  if (typeof reference === 'string') return resolve(document, follow(document, reference));
  return Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, resolve(document, inner)]));
}

/** What a reference within a document leads to; `undefined` when it leads nowhere. */
export function follow(document: unknown, reference: string): unknown {
  const keys = reference.slice(2).split('/');
  return keys.reduce((place, key) => (place as Part | undefined)?.[key], document);
}

/** The same schema, which refuses fields that it does not mention. */
function close(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(close);
  if (schema === null || typeof schema !== 'object') return schema;
  const closed: Part = Object.fromEntries(Object.entries(schema).map(([key, part]) => [key, close(part)]));
  if (closed['type'] === 'object' && 'properties' in closed) closed['additionalProperties'] ??= false;
  return closed;
}
