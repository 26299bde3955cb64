import { z } from 'zod';
import { parseMongoUrl } from '../platform/mongo/url.js';
import { countCores } from './cores.js';
import { OriginError, toOrigins } from './origins.js';
import { toSecrets } from './secrets.js';

/** A whole number of a range, which errors name. */
export function integer(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER) {
  const error =
    maximum === Number.MAX_SAFE_INTEGER
      ? `must be a whole number of at least ${minimum}`
      : `must be a whole number between ${minimum} and ${maximum}`;
  // `Number` reads blanks as 0.
  return z
    .string()
    .transform((text) => (text.trim() === '' ? Number.NaN : Number(text)))
    .refine((value) => Number.isSafeInteger(value) && value >= minimum && value <= maximum, { error });
}

/** Beyond about 24 days a timer ends at once; an event with a file may take four times its limit. */
const MILLISECONDS_MAX = 86_400_000;

/** A time in milliseconds, at most a day. */
export const milliseconds = (minimum: number, maximum = MILLISECONDS_MAX) => integer(minimum, maximum);

/** A hundred years: a date cannot be any number of seconds away. */
const SECONDS_MAX = 3_155_760_000;

/** A time in seconds. */
export const seconds = (minimum: number) => integer(minimum, SECONDS_MAX);

/** What a text says that looks like a value and is none. */
const BLANK = { error: 'is blank' };

/** A text with something in it. */
export const text = (lengthMax = 4096) =>
  z
    .string()
    .max(lengthMax, { error: `must have at most ${lengthMax} characters` })
    .refine((value) => value.trim() !== '', BLANK);

/** The address of another service. */
export const httpUrl = () => z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

/** Maximum number of workers of one machine. */
const WORKERS_MAX = 256;

/** A number of workers; `auto` is one for each core. */
export const workerCount = () =>
  z
    .string()
    .transform((text) => (text.trim() === 'auto' ? Math.min(countCores(), WORKERS_MAX) : Number(text.trim() || 'none')))
    .refine((count) => Number.isSafeInteger(count) && count >= 1 && count <= WORKERS_MAX, {
      error: `must be auto, or a whole number between 1 and ${WORKERS_MAX}`,
    });

/** One of several words, which errors list. */
export const choice = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z.enum(words, { error: `must be one of ${words.join(', ')}` });

/** A comma-separated list, empty or with an item: one of blanks and commas alone would mean "any" without saying so. */
const listText = () =>
  z
    .string()
    .default('')
    .refine((value) => value === '' || /[^\s,]/.test(value), BLANK);

/** Comma-separated items without the blanks around them. Empty items are ignored. */
export function list(allowed?: readonly string[]) {
  return listText()
    .transform((text) => text.split(',').map((item) => item.trim()))
    .transform((items) => items.filter((item) => item !== ''))
    .refine((items) => allowed === undefined || items.every((item) => allowed.includes(item)), {
      error: `may hold only ${allowed?.join(', ')}`,
    });
}

/** Comma-separated secrets. */
export const secretList = () => z.string().default('').transform(toSecrets);

/** Comma-separated origins, as {@link toOrigins}. */
export const origins = () =>
  listText().transform((value, context) => {
    try {
      return toOrigins(value);
    } catch (error) {
      if (!(error instanceof OriginError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });

/** A URL that the MongoDB driver accepts. Errors quote the driver, without the password. */
export const mongoUrl = () => checked(mongoUrlProblem);

function mongoUrlProblem(text: string): string | undefined {
  try {
    parseMongoUrl(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A text without a problem. @param problemOf the problem of a text, without quoting a secret; `undefined`: none */
export const checked = (problemOf: (text: string) => string | undefined) =>
  z.string().superRefine((text, context) => {
    const message = problemOf(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
