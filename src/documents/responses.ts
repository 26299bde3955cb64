import type { z } from 'zod';
import { requestSuccess } from '#shared/contracts/reply-schemas.js';
import { generalExample } from './examples.js';
import type { JsonSchema, SchemaWriter } from './json-schema.js';

/** The content of a JSON request or response. */
export const json = (schema: JsonSchema, example?: unknown) => ({
  'application/json': { schema, ...(example === undefined ? {} : { example }) },
});

/** The body of a successful call. */
export const toSuccess = ({ toSchema }: SchemaWriter, answer?: z.ZodType, message?: string): JsonSchema =>
  toSchema(requestSuccess(answer, message));

/** The response of a failed call. */
export const toFailure = ({ toSchema }: SchemaWriter, failure: z.ZodType) => ({
  description: failure.meta()?.description ?? 'The call failed.',
  content: json(toSchema(failure), generalExample(failure)),
});
