import type { ClientEvent } from '#shared/contracts/contract.js';
import { opaqueId } from '#shared/contracts/primitives.js';
import { support } from '#shared/contracts/support.js';
import type { Dialect } from '../../../framework/integration.js';
import { chatDialect, wordsOf } from '../shared/index.js';

/**
 * How the support chat tells of failures. `message_error` stands for the acknowledgement that a client did not ask for;
 * `rate_limit_exceeded` is sent with an acknowledgement too, as the original does.
 */
export const supportDialect: Dialect = {
  ...chatDialect,
  toErrorEvent(error, { event, data, isAcknowledged }) {
    if (error.code === 'RATE_LIMITED') {
      return { event: 'rate_limit_exceeded', payload: { event, ...limitOf(event), ...error.info } };
    }
    if (isAcknowledged) return undefined;
    return {
      event: 'message_error',
      payload: {
        error: wordsOf(error),
        code: error.code,
        event,
        conversationId: idIn(data, 'conversationId') ?? toId(data),
        clientMessageId: idIn(data, 'clientMessageId'),
        ...error.info,
      },
    };
  },
};

/** The limit of an event of its own, which the pipeline enforces. */
function limitOf(event: string): object {
  const { limit } = (support.clientEvents as Readonly<Record<string, ClientEvent>>)[event] ?? {};
  return limit === undefined ? {} : { limit: limit.points, windowMs: limit.windowMs };
}

/** What a client sent as an id goes back to it only when it could be one. */
const toId = (value: unknown): string | undefined => opaqueId.safeParse(value).data;

const idIn = (data: unknown, field: string): string | undefined =>
  data !== null && typeof data === 'object' ? toId((data as Record<string, unknown>)[field]) : undefined;
