import { z } from 'zod';
import type { ClientEvent, ServerEvent } from '#shared/contracts/contract.js';
import type { EventExample } from '#shared/contracts/examples/example.js';
import type { ReplySchemas } from '#shared/contracts/reply-schemas.js';
import { generalExample, toShown, toSuccessExample } from './examples.js';
import type { SchemaWriter } from './json-schema.js';

/** An object of the document. */
export type Part = Record<string, unknown>;

/** Writes the messages of the AsyncAPI document. */
export function createMessages({ toSchema }: SchemaWriter) {
  return {
    connect: (auth: z.ZodType = z.object({})): Part => ({
      name: 'connect',
      summary: 'The `auth` of the client.',
      payload: toSchema(auth),
      ...toExamples(generalExample(auth) ?? {}),
    }),

    refusal: ({ refusal }: ReplySchemas): Part => ({
      name: 'connect_error',
      summary: 'Why the connection was refused.',
      payload: toSchema(refusal),
      ...toExamples(generalExample(refusal)),
    }),

    request: (event: string, { summary, payload, takesAllArguments }: ClientEvent, example?: EventExample): Part => ({
      name: event,
      summary: summaryOf(summary, takesAllArguments),
      payload: toSchema(payload),
      ...toExamples(example?.payload),
    }),

    answer(event: string, { answer, isEchoed }: ClientEvent, { replies, example }: AnswerContext): Part {
      const success = replies.success(answer);
      const message = hasMessage(success) ? 'SUCCESS' : undefined;
      return {
        name: event,
        summary:
          isEchoed === true
            ? 'The acknowledgement; also sent to the caller as an event of the same name.'
            : 'The acknowledgement.',
        payload: { oneOf: [toSchema(success), toSchema(replies.failure)] },
        examples: [
          { name: 'success', payload: toSuccessExample(example?.answer, message) },
          { name: 'failure', payload: generalExample(replies.failure) },
        ],
      };
    },

    event: (
      { summary, payload, takesAllArguments, header }: ServerEvent,
      name?: string,
      example?: EventExample,
    ): Part => ({
      ...(name === undefined ? {} : { name }),
      summary: summaryOf(summary, takesAllArguments),
      ...(header === undefined ? {} : { description: HEADER, headers: toSchema(header) }),
      ...(payload === undefined ? {} : { payload: toSchema(payload) }),
      ...toExamples(example?.payload),
    }),

    acknowledgement: (name?: string): Part => ({
      ...(name === undefined ? {} : { name }),
      summary: 'Confirms that the application received it. The arguments are ignored.',
    }),
  };
}

const HEADER =
  'When it is durable and the client connected with `auth.deliveryIds`, the headers are one more argument before the acknowledgement.';

/** What an answer depends on besides its event. */
interface AnswerContext {
  readonly replies: ReplySchemas;
  readonly example: EventExample | undefined;
}

const toExamples = (payload: unknown): Part =>
  payload === undefined ? {} : { examples: [{ payload: toShown(payload) }] };

const hasMessage = (success: z.ZodType): boolean => success instanceof z.ZodObject && 'message' in success.shape;

const summaryOf = (summary: string, takesAllArguments = false): string =>
  takesAllArguments ? `${summary} The payload is the list of all arguments.` : summary;
