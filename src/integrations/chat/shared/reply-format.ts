import type { z } from 'zod';
import type { chatReplies, chatRequestFailure } from '#shared/contracts/reply-schemas.js';
import type { GatewayError } from '../../../errors.js';
import type { ReplyFormat } from '../../../framework/events.js';
import { toRefusalBody } from '../../../framework/reply.js';
import { wordsOf } from './chat-error.js';

/** The acknowledgement of a successful chat event. */
const toSuccess = (data: unknown): object => (data === undefined ? { success: true } : { success: true, data });

/** The acknowledgement of a failed chat event. */
const toFailure = (error: GatewayError): z.output<typeof chatReplies.failure> => ({
  success: false,
  error: wordsOf(error),
  code: error.code,
  ...error.info,
});

/** The acknowledgements of both chats. Each chat adds its own error event. */
export const chatReplyFormat = { toSuccess, toFailure } satisfies Partial<ReplyFormat>;

/** For events that belong to neither chat: unknown events, and renewing the token. */
export const commonReplyFormat: ReplyFormat = {
  ...chatReplyFormat,
  toErrorEvent: (error, { event, isAcknowledged }) =>
    isAcknowledged
      ? undefined
      : { event: 'error', payload: { message: wordsOf(error), code: error.code, event, ...error.info } },
};

/** The body of a failed REST call to a chat. */
export const toRequestFailure = (error: GatewayError): z.output<typeof chatRequestFailure> => ({
  success: false,
  message: wordsOf(error),
  code: error.code,
  ...error.info,
});

/** A refused connection: the sentence that existing clients expect as the message, and the code in `data`. */
export const toRefusal = (error: GatewayError): Error & Pick<z.output<typeof chatReplies.refusal>, 'data'> =>
  Object.assign(new Error(wordsOf(error)), { data: toRefusalBody(error).data });
