import type { z } from 'zod';
import { generalExamples } from '#shared/contracts/examples/replies.js';

/** An example as a document shows it: binary data is named instead. */
export function toShown(example: unknown): unknown {
  if (example instanceof Uint8Array) return '<binary>';
  if (Array.isArray(example)) return example.map(toShown);
  if (example === null || typeof example !== 'object') return example;
  return Object.fromEntries(Object.entries(example).map(([key, value]) => [key, toShown(value)]));
}

/** The answer of an event or route that succeeded, around its `data`. */
export const toSuccessExample = (answer: unknown, message?: string): Readonly<Record<string, unknown>> => ({
  success: true,
  ...(message === undefined ? {} : { message }),
  ...(answer === undefined ? {} : { data: toShown(answer) }),
});

/** The example of a handshake, a refusal or a failure. */
export const generalExample = (schema: z.ZodType): unknown => toShown(generalExamples.get(schema));
