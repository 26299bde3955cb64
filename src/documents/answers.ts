import type { z } from 'zod';
import { catalogue } from '../errors.js';
import { type JsonSchema, type SchemaDialect, toJsonSchema } from './json-schema.js';

const codes = Object.keys(catalogue);
const statuses = [...new Set(Object.values(catalogue).map(({ status }) => status))];

const details: JsonSchema = {
  type: 'array',
  description: 'What is wrong with the input, and where.',
  items: {
    type: 'object',
    properties: { path: { type: 'string' }, message: { type: 'string' } },
    required: ['path', 'message'],
  },
};

const information = {
  errno: { type: 'integer', enum: statuses },
  details,
  retryAfterMs: { type: 'number', description: 'When the same call can succeed.' },
};

/** The answer to an event or a REST call that succeeded, around what the contract calls its answer. */
export const successSchema = (
  answer: z.ZodType | undefined,
  dialect: SchemaDialect,
  message = 'SUCCESS',
): JsonSchema => ({
  type: 'object',
  properties: {
    success: { const: true },
    message: { const: message },
    ...(answer === undefined ? {} : { data: toJsonSchema(answer, dialect) }),
  },
  required: ['success', 'message', ...(answer === undefined ? [] : ['data'])],
});

/** The body of a REST call that failed. */
export const requestFailureSchema: JsonSchema = {
  type: 'object',
  properties: { success: { const: false }, message: { type: 'string', enum: codes }, ...information },
  required: ['success', 'errno', 'message'],
};

/** The acknowledgement of an event that failed. */
export const eventFailureSchema: JsonSchema = {
  type: 'object',
  properties: {
    success: { const: false },
    message: { type: 'string', enum: codes },
    additional_info: { type: 'object', properties: information, required: ['errno'] },
  },
  required: ['success', 'message', 'additional_info'],
};
