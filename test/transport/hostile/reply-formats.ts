import { z } from 'zod';
import type { TestClient } from '../../support/client.js';

/** The format of a namespace's acknowledgements. */
export interface ReplyFormat {
  /** `SUCCESS`, or the code of the failure. */
  codeOf(answer: unknown): string;
  /** The `details` of a `VALIDATION_ERROR`. @throws for other codes and for additional fields */
  detailsOf(answer: unknown): unknown;
  /** The answer to an unknown event. */
  readonly notFound: object;
  /** The next error event: the error as it would be acknowledged, and the failed event, if it is named. */
  nextFailure(client: TestClient): Promise<{ event: string | undefined; answer: unknown }>;
}

const general: ReplyFormat = {
  codeOf: (answer) => z.looseObject({ message: z.string() }).parse(answer).message,
  detailsOf: (answer) =>
    z
      .strictObject({
        success: z.literal(false),
        message: z.literal('VALIDATION_ERROR'),
        additional_info: z.strictObject({ errno: z.literal(400), details: z.unknown() }),
      })
      .parse(answer).additional_info.details,
  notFound: { success: false, message: 'NOT_FOUND', additional_info: { errno: 404 } },
  async nextFailure(client) {
    const [{ event, ...answer }] = await client.next('event_error');
    return { event, answer };
  },
};

const ofChats: ReplyFormat = {
  codeOf(answer) {
    const { success, code } = z.looseObject({ success: z.boolean(), code: z.string().optional() }).parse(answer);
    return success ? 'SUCCESS' : (code ?? 'no code');
  },
  detailsOf: (answer) =>
    z
      .strictObject({
        success: z.literal(false),
        error: z.string().min(1),
        code: z.literal('VALIDATION_ERROR'),
        details: z.unknown(),
      })
      .parse(answer).details,
  notFound: { success: false, error: 'Not found or access denied', code: 'NOT_FOUND' },
  async nextFailure(client) {
    // The support chat has its own error event. Its field names differ from those of the community chat.
    const told = await Promise.race([client.next('error'), client.next('message_error')]);
    const [{ event, message, error = message, ...rest }] = told;
    return { event, answer: { success: false, error, ...rest } };
  },
};

/** The reply format of a namespace. */
export const replyFormatOf = (namespace: string): ReplyFormat =>
  namespace === '/' || namespace === '/department' ? ofChats : general;
