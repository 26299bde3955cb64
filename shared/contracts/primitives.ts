import { z } from 'zod';

/** Names Socket.IO keeps for itself on either side (its documentation, "Emit cheatsheet"); no application event may bear one. */
export const RESERVED_EVENTS: readonly string[] = [
  ...['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'],
];

/** Text of 1–128 characters. Half a surrogate pair is none: in UTF-8 all of them become one and the same. */
const shortText = z
  .string()
  .min(1)
  .max(128)
  .refine((text) => !/\p{Surrogate}/u.test(text), 'must be well-formed Unicode');

/** An id of whatever kind, opaque, as the platform issues it. */
export const opaqueId = shortText;

/** The id of a document of the platform. */
export const objectId = z.string().regex(/^[0-9a-fA-F]{24}$/, 'must be an id');

/** Which of a user's devices a client is; `''` when it does not say. */
export const deviceId = opaqueId.or(z.literal(''));

/** A user's id. */
export const userId = opaqueId;

/** The id of an account. */
export const accountId = opaqueId;

/** The name of an application event: 1–128 characters, none of control, not reserved, not starting with `_`. */
export const eventName = shortText
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
  .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'must not hold control characters')
  .refine((name) => !RESERVED_EVENTS.includes(name), 'is reserved by Socket.IO')
  .refine((name) => !name.startsWith('_'), 'must not start with _');

/** A point in time on the wire: ISO 8601 in UTC. */
export const isoTime = z.iso.datetime();
