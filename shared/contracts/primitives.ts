import { z } from 'zod';

/** Names Socket.IO keeps for itself on either side (its documentation, "Emit cheatsheet"); no application event may bear one. */
export const RESERVED_EVENTS: readonly string[] = [
  ...['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'],
];

/** A user's id: opaque, whatever the platform issues. */
export const userId = z.string().min(1).max(128);

/** The id of an account. */
export const accountId = z.string().min(1).max(128);

/** The name of an application event: 1–128 characters, none of control, not reserved, not starting with `_`. */
export const eventName = z
  .string()
  .min(1)
  .max(128)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
  .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'must not hold control characters')
  .refine((name) => !RESERVED_EVENTS.includes(name), 'is reserved by Socket.IO')
  .refine((name) => !name.startsWith('_'), 'must not start with _');

/** A point in time on the wire: ISO 8601 in UTC. */
export const isoTime = z.iso.datetime();
