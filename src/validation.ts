import type { z } from 'zod';
import { GatewayError } from './errors.js';

/** The most problems one answer lists. */
const DETAILS_MAX = 20;

/** Parses an input. @throws GatewayError `VALIDATION_ERROR` that names what is wrong and where */
export function parse<S extends z.ZodType>(schema: S, input: unknown): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const details = result.error.issues
    .slice(0, DETAILS_MAX)
    .map((issue) => ({ path: issue.path.join('.').slice(0, 256), message: issue.message.slice(0, 256) }));
  throw new GatewayError('VALIDATION_ERROR', { details });
}

/** JSON nested deeper than this is refused: encoders recurse, and a stack overflow must stay the sender's own problem. */
export const DEPTH_MAX = 128;

/**
 * Refuses JSON nested deeper than {@link DEPTH_MAX}, without recursion.
 * @throws GatewayError `VALIDATION_ERROR`
 */
export function ensureShallow(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEPTH_MAX) {
      const details = [{ path: '', message: `must not be nested deeper than ${DEPTH_MAX} levels` }];
      throw new GatewayError('VALIDATION_ERROR', { details });
    }
    level = level.flatMap((item) => (item !== null && typeof item === 'object' ? Object.values(item) : []));
  }
}
