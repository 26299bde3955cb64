import type { z } from 'zod';
import type { chatRequestFailure, chatWording } from '#shared/contracts/wording.js';
import type { GatewayError } from '../../../errors.js';
import type { Dialect } from '../../../framework/integration.js';
import { toRefusalBody } from '../../../framework/reply.js';
import { wordsOf } from './chat-error.js';

/** The acknowledgement of a chat event that succeeded. */
const toSuccess = (data: unknown): object => (data === undefined ? { success: true } : { success: true, data });

/** The acknowledgement of a chat event that failed. */
const toFailure = (error: GatewayError): z.output<typeof chatWording.failure> => ({
  success: false,
  error: wordsOf(error),
  code: error.code,
  ...error.info,
});

/** How the chats word their answers. Each has events of its own for what fails without an acknowledgement. */
export const chatDialect = { toSuccess, toFailure } satisfies Partial<Dialect>;

/** Where neither chat is concerned: an unknown event, a token to be renewed. */
export const commonDialect: Dialect = {
  ...chatDialect,
  toErrorEvent: (error, { event, isAcknowledged }) =>
    isAcknowledged
      ? undefined
      : { event: 'error', payload: { message: wordsOf(error), code: error.code, event, ...error.info } },
};

/** The body of a REST call to a chat that failed. */
export const toRequestFailure = (error: GatewayError): z.output<typeof chatRequestFailure> => ({
  success: false,
  message: wordsOf(error),
  code: error.code,
  ...error.info,
});

/** A refused connection: the words that clients of the chats know, and the code for those who want to tell them apart. */
export const toRefusal = (error: GatewayError): Error & Pick<z.output<typeof chatWording.refusal>, 'data'> =>
  Object.assign(new Error(wordsOf(error)), { data: toRefusalBody(error).data });
