import type { z } from 'zod';
import { requestSuccess } from '#shared/contracts/wording.js';
import { type JsonSchema, toJsonSchema as toSchema } from './json-schema.js';

/** What a schema accepts, in the dialect of OpenAPI 3.1. */
export const toJsonSchema = (schema: z.ZodType): JsonSchema => toSchema(schema, 'draft-2020-12');

/** The content of an answer that is JSON. */
export const json = (schema: JsonSchema) => ({ 'application/json': { schema } });

/** The body of a call that succeeded. */
export const toSuccess = (answer?: z.ZodType, message?: string): JsonSchema =>
  toJsonSchema(requestSuccess(answer, message));

/** A response with the body of a call that failed, whose form is among the {@link toComponents}. */
export const toFailure = (failure: z.ZodType) => ({
  description: failure.meta()?.description ?? 'The call failed.',
  content: json(refer(failure)),
});

/** A reference to one of the {@link toComponents}. */
export const refer = (failure: z.ZodType): JsonSchema => ({ $ref: `#/components/schemas/${titleOf(failure)}` });

/** The forms of failures, each under its title. */
export const toComponents = (failures: readonly z.ZodType[]) =>
  Object.fromEntries(failures.map((failure) => [titleOf(failure), toJsonSchema(failure)]));

function titleOf(failure: z.ZodType): string {
  const title = failure.meta()?.title;
  if (title === undefined) throw new Error('a form of failures has no title');
  return title;
}
