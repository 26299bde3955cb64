import { opaqueId } from '#shared/contracts/primitives.js';
import type { ReplyFormat } from '../../../framework/events.js';
import { safeParse } from '../../../validation.js';
import { chatReplyFormat, wordsOf } from '../shared/index.js';

/** Reports every failure by `error`, acknowledged or not, as the original system does. */
export const communityReplyFormat: ReplyFormat = {
  ...chatReplyFormat,
  toErrorEvent: (error, { event, data }) => ({
    event: 'error',
    payload: {
      message: wordsOf(error),
      code: error.code,
      event,
      ...idsIn(data),
      ...error.info,
    },
  }),
};

/** The ids by which a client recognizes the failed call. Sent back only if they could be ids. */
function idsIn(data: unknown): object {
  if (data === null || typeof data !== 'object') return {};
  const { chatId, clientMessageId } = data as Record<string, unknown>;
  const known = Object.entries({ chatId, clientMessageId }).filter(([, id]) => safeParse(opaqueId, id).success);
  return Object.fromEntries(known);
}
