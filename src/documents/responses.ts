import type { z } from 'zod';
import { requestSuccess } from '#shared/contracts/reply-schemas.js';
import { type JsonSchema, toJsonSchema as toSchema } from './json-schema.js';

/** JSON Schema in the version of OpenAPI 3.1. */
export const toJsonSchema = (schema: z.ZodType): JsonSchema => toSchema(schema, 'draft-2020-12');

/** The content of a JSON response. */
export const json = (schema: JsonSchema) => ({ 'application/json': { schema } });

/** The body of a successful call. */
export const toSuccess = (answer?: z.ZodType, message?: string): JsonSchema =>
  toJsonSchema(requestSuccess(answer, message));

/** The response of a failed call, whose schema is in {@link toComponents}. */
export const toFailure = (failure: z.ZodType) => ({
  description: failure.meta()?.description ?? 'The call failed.',
  content: json(refer(failure)),
});

/** A reference to one of the {@link toComponents}. */
export const refer = (failure: z.ZodType): JsonSchema => ({ $ref: `#/components/schemas/${titleOf(failure)}` });

/** The error schemas by title. */
export const toComponents = (failures: readonly z.ZodType[]) =>
  Object.fromEntries(failures.map((failure) => [titleOf(failure), toJsonSchema(failure)]));

function titleOf(failure: z.ZodType): string {
  const title = failure.meta()?.title;
  if (title === undefined) throw new Error('a form of failures has no title');
  return title;
}
