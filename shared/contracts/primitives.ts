import { z } from 'zod';
import { parseTime } from '../utilities/time.js';
import { isBlank } from '../utilities/visible-text.js';
import { toWellFormed } from '../utilities/well-formed.js';

/** Event names that Socket.IO reserves on either side (its documentation, "Emit cheatsheet"). */
export const RESERVED_EVENTS: readonly string[] = [
  'connect',
  'connect_error',
  'disconnect',
  'disconnecting',
  'newListener',
  'removeListener',
];

/** Text of 1–128 characters without lone surrogates, which all become the same character in UTF-8. */
const shortText = z
  .string()
  .min(1)
  .max(128)
  .refine((text) => !/\p{Surrogate}/u.test(text), 'must be well-formed Unicode');

/**
 * A stored key that a caller chooses: 1–64 characters. BSON forbids NUL in keys, drivers interpret `$ref`, `$id` and `$db`
 * as a reference to another document and `_bsontype` as a value of BSON, and lone surrogates would make two keys equal.
 */
export const storedKey = z
  .string()
  .min(1)
  .max(64)
  .regex(/^(?!(?:\$(?:ref|id|db)|_bsontype)$)[^\0]*$/)
  .refine((key) => !/\p{Surrogate}/u.test(key));

/** An opaque id, issued by the platform. */
export const opaqueId = shortText;

const OBJECT_ID = /^[0-9a-fA-F]{24}$/;

/** The ObjectId of a platform document. Handlers get it in lower case, as the database and other clients have it. */
export const objectId = z.string().regex(OBJECT_ID, 'must be an id').toLowerCase();

/** The id of the client's device; `''` when the client sends none. */
export const deviceId = opaqueId.or(z.literal(''));

/**
 * ObjectIds in lower case, as the database has them: rooms, blocks and mailboxes compare ids as text. Other ids are compared
 * exactly.
 */
export const toCanonicalId = (id: string): string => (OBJECT_ID.test(id) ? id.toLowerCase() : id);

/** A user's id. */
export const userId = opaqueId.overwrite(toCanonicalId);

/** The id of an account. */
export const accountId = opaqueId.overwrite(toCanonicalId);

/** The name of an application event: 1–128 characters, no control characters, not reserved, no leading `_`. */
export const eventName = shortText
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are refused
  .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'must not hold control characters')
  .refine((name) => !RESERVED_EVENTS.includes(name), 'is reserved by Socket.IO')
  .refine((name) => !name.startsWith('_'), 'must not start with _');

/** A time sent by the gateway: ISO 8601 in UTC. */
export const isoTime = z.iso.datetime();

/** Room for 40 digits of a second. */
const TIME_LENGTH_MAX = 64;

/** A time sent by callers: any form of RFC 3339. Handlers get ISO 8601 in UTC. */
export const time = z
  .string()
  .max(TIME_LENGTH_MAX)
  .meta({ format: 'date-time' })
  .transform((text, { addIssue }) => toIsoTime(text, addIssue));

/** The id of a document, or a {@link time}. */
export const idOrTime = z
  .string()
  .max(TIME_LENGTH_MAX)
  .meta({ anyOf: [{ pattern: OBJECT_ID.source }, { format: 'date-time' }] })
  .transform((text, { addIssue }) =>
    OBJECT_ID.test(text) ? text.toLowerCase() : toIsoTime(text, (problem) => addIssue(`must be an id, or: ${problem}`)),
  );

function toIsoTime(text: string, addIssue: (problem: string) => void): string {
  const parsed = parseTime(text);
  if ('time' in parsed) return parsed.time.toISOString();
  addIssue(parsed.problem);
  return z.NEVER;
}

/**
 * Text that users see. A client that cuts an emoji in half leaves a lone surrogate, which the database stores as U+FFFD: so it is
 * one for everyone from the start.
 * @param maxLength in UTF-16 code units
 */
export const shownText = (maxLength: number) => z.string().max(maxLength).overwrite(toWellFormed);

/** The same with at least one visible character. */
export const visibleText = (maxLength: number) =>
  shownText(maxLength)
    .min(1)
    .refine((text) => text === '' || !isBlank(text), 'must not be blank');

/** A whole number within bounds, in a query or in JSON. */
export function wholeNumber(min: number, max: number) {
  const error = `must be a whole number between ${min} and ${max}`;
  const digits = z
    .string()
    .refine((text) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max, error)
    .meta({ pattern: '^\\d{1,15}$' });
  // A union already reports the errors of a branch with the right type.
  return z.union([z.number().int(error).min(min, error).max(max, error), digits], error);
}

/** How many entries a page has at most: a number in a query. Each route has its own default. */
export const pageLimit = z.string().regex(/^(?:[1-9]\d?|100)$/, 'must be a number from 1 to 100');

/** Yes or no, in a query or in JSON. Empty is neither: it is easily taken for yes. */
export const flag = z.union([z.boolean(), z.enum(['true', 'false', '1', '0']), z.literal([1, 0])], {
  error: 'must be true, false, 1 or 0',
});
