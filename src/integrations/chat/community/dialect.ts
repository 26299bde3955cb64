import { opaqueId } from '#shared/contracts/primitives.js';
import type { Dialect } from '../../../framework/integration.js';
import { chatDialect, wordsOf } from '../shared/index.js';

/** How the community tells of failures: by `error`, with an acknowledgement and without, as the original does. */
export const communityDialect: Dialect = {
  ...chatDialect,
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

/** By what a client can tell which of its calls failed. What it sent goes back to it only when it could be an id. */
function idsIn(data: unknown): object {
  if (data === null || typeof data !== 'object') return {};
  const { chatId, clientMessageId } = data as Record<string, unknown>;
  const known = Object.entries({ chatId, clientMessageId }).filter(([, id]) => opaqueId.safeParse(id).success);
  return Object.fromEntries(known);
}
