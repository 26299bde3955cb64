import { distance } from 'fastest-levenshtein';
import { z } from 'zod';
import type { flag } from '#shared/contracts/primitives.js';
import { type ErrorDetail, GatewayError } from './errors.js';

/** Maximum number of problems in one response. */
const DETAILS_MAX = 20;
/** Maximum length of one problem's text. */
const TEXT_MAX = 256;

type SafeParsed<T> = { success: true; data: T } | { success: false; data?: never; error: z.ZodError<unknown> };

/**
 * `schema.safeParse` for what comes from outside. The library compares the `length` of a value of any type, and throws when that
 * is an object that no number can be made of.
 */
export function safeParse<S extends z.ZodType>(schema: S, input: unknown): SafeParsed<z.output<S>> {
  try {
    return schema.safeParse(input);
  } catch (error) {
    const path = pathToLength(input);
    if (path === undefined) throw error;
    const issue = { code: 'custom', path, message: 'must be a number', input } as const;
    return { success: false, error: new z.ZodError([issue]) };
  }
}

/** The path to the first `length` or `size` that is an object. The depth of an input is limited before it is parsed. */
function pathToLength(input: unknown): PropertyKey[] | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  for (const [key, value] of Object.entries(input)) {
    if (typeof value !== 'object' || value === null) continue;
    const rest = key === 'length' || key === 'size' ? [] : pathToLength(value);
    if (rest !== undefined) return [key, ...rest];
  }
  return undefined;
}

/** Parses an input. @throws GatewayError `VALIDATION_ERROR` with the path and problem of each invalid field */
export function parse<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const result = safeParse(schema, input);
  if (result.success) return result.data;
  const { issues } = result.error;
  const known = issues.some(({ code }) => code === 'unrecognized_keys') ? knownKeysIn(schema, input) : [];
  const details = issues.slice(0, DETAILS_MAX).flatMap(({ path, message, ...issue }) => {
    if (issue.code !== 'unrecognized_keys') return toDetail(path, message);
    const keys = known.shift() ?? [];
    return issue.keys.slice(0, DETAILS_MAX).map((key) => toDetail([...path, key], describeUnknown(key, keys)));
  });
  throw new GatewayError('VALIDATION_ERROR', { details: details.slice(0, DETAILS_MAX) });
}

/**
 * For each problem with unknown keys, in order, the keys that are known there. Only an error map tells the schema of a problem,
 * and with one even a valid input costs five times as much, so the input is parsed once more.
 */
function knownKeysIn(schema: z.ZodType, input: unknown): string[][] {
  const known: string[][] = [];
  const { error } = schema.safeParse(input, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') known.push(knownKeysOf(issue.inst));
      return undefined;
    },
  });
  // The error map runs when the error is read, and not before.
  return error === undefined ? [] : known;
}

/** Parses a query. @throws GatewayError `VALIDATION_ERROR`, including for repeated parameters */
export function parseQuery<S extends z.ZodType>(schema: S, query: Readonly<Record<string, unknown>>): z.output<S> {
  try {
    return parse(schema, query);
  } catch (error) {
    const { info: { details = [] } = {} } = error instanceof GatewayError ? error : {};
    for (const detail of details) if (Array.isArray(query[detail.path])) detail.message = toRepeated(detail.message);
    throw error;
  }
}

const UNKNOWN = 'is not known';
const toRepeated = (message: string): string => (message.startsWith(UNKNOWN) ? message : 'must be given once');

const toDetail = (path: readonly PropertyKey[], message: string): ErrorDetail => ({
  path: path.join('.').slice(0, TEXT_MAX),
  message: message.slice(0, TEXT_MAX),
});

/** The keys that a strict object accepts, without keys that it declares only to reject them with a specific message. */
function knownKeysOf(schema: unknown): string[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const isTaken = (field: z.ZodType): boolean =>
    !(field instanceof z.ZodUndefined || (field instanceof z.ZodOptional && field.unwrap() instanceof z.ZodUndefined));
  return Object.entries<z.ZodType>(schema.shape).flatMap(([key, field]) => (isTaken(field) ? key : []));
}

/** Suggests the most similar known key, or lists all known keys. */
function describeUnknown(key: string, known: readonly string[]): string {
  if (known.length === 0) return `${UNKNOWN}; nothing is expected here`;
  const nearest = nearestTo(key, known);
  return nearest === undefined ? `${UNKNOWN}; known are ${known.join(', ')}` : `${UNKNOWN}; did you mean "${nearest}"?`;
}

/** The most similar key, with at most half of its characters changed. Ignores case, `_`, `-` and `[…]`. */
function nearestTo(key: string, known: readonly string[]): string | undefined {
  const toPlain = (one: string): string => one.toLowerCase().replace(/\[.*|[^a-z0-9]/gs, '');
  const [text, ...keys] = [key.slice(0, TEXT_MAX), ...known].map(toPlain);
  const distances = keys.map((one) => distance(text ?? '', one) / Math.max(3, one.length));
  const least = Math.min(...distances);
  return least <= 0.5 ? known[distances.indexOf(least)] : undefined;
}

/** Whether a `flag` of the contracts is set; absent: no. */
export const isYes = (value: z.output<typeof flag> | undefined): boolean =>
  value !== undefined && [true, 'true', '1', 1].includes(value);
