import { distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { type ErrorDetail, GatewayError } from './errors.js';

/** The most problems one answer lists. */
const DETAILS_MAX = 20;
/** The length of what a detail says. */
const TEXT_MAX = 256;

/** Parses an input. @throws GatewayError `VALIDATION_ERROR` that names what is wrong and where */
export function parse<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const known: string[][] = [];
  const result = schema.safeParse(input, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') known.push(knownKeysOf(issue.inst));
      return undefined;
    },
  });
  if (result.success) return result.data;
  const details = result.error.issues.slice(0, DETAILS_MAX).flatMap(({ path, message, ...issue }) => {
    if (issue.code !== 'unrecognized_keys') return toDetail(path, message);
    const keys = known.shift() ?? [];
    return issue.keys.slice(0, DETAILS_MAX).map((key) => toDetail([...path, key], sayUnknown(key, keys)));
  });
  throw new GatewayError('VALIDATION_ERROR', { details: details.slice(0, DETAILS_MAX) });
}

/** Parses a query. @throws GatewayError `VALIDATION_ERROR`, also for a parameter that is given more than once */
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

/** The keys that a strict object takes; not those that it declares only to refuse them in its own words. */
function knownKeysOf(schema: unknown): string[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const isTaken = (field: z.ZodType): boolean =>
    !(field instanceof z.ZodUndefined || (field instanceof z.ZodOptional && field.unwrap() instanceof z.ZodUndefined));
  return Object.entries<z.ZodType>(schema.shape).flatMap(([key, field]) => (isTaken(field) ? key : []));
}

/** Names the key that was probably meant; if none is near, all of them. */
function sayUnknown(key: string, known: readonly string[]): string {
  if (known.length === 0) return `${UNKNOWN}; nothing is expected here`;
  const nearest = nearestTo(key, known);
  return nearest === undefined ? `${UNKNOWN}; known are ${known.join(', ')}` : `${UNKNOWN}; did you mean "${nearest}"?`;
}

/** The key that differs least, by at most half of its characters; neither case nor `_`, `-` and `[…]` count. */
function nearestTo(key: string, known: readonly string[]): string | undefined {
  const toPlain = (one: string): string => one.toLowerCase().replace(/\[.*|[^a-z0-9]/gs, '');
  const [text, ...keys] = [key.slice(0, TEXT_MAX), ...known].map(toPlain);
  const distances = keys.map((one) => distance(text ?? '', one) / Math.max(3, one.length));
  const least = Math.min(...distances);
  return least <= 0.5 ? known[distances.indexOf(least)] : undefined;
}
