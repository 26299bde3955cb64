import { z } from 'zod';
import { catalogue, type ErrorCode, type ErrorStatus } from './errors.js';

/** Schemas of the replies in one reply format. */
export interface ReplySchemas {
  /** The acknowledgement of a successful event. @param data the answer that its contract declares */
  success(data?: z.ZodType): z.ZodType;
  /** The acknowledgement of a failed event. */
  readonly failure: z.ZodType;
  /** The error of a refused connection. */
  readonly refusal: z.ZodType;
}

/** An error code. */
export const errorCode = z.enum(Object.keys(catalogue) as [ErrorCode, ...ErrorCode[]]);

/** The HTTP status of an error, which events name too. */
export const errno = z.literal([...new Set<ErrorStatus>(Object.values(catalogue).map(({ status }) => status))]);

/** Optional details of an error. */
const information = {
  details: z
    .array(z.object({ path: z.string(), message: z.string() }))
    .describe('What is wrong with the input, and where.')
    .optional(),
  retryAfterMs: z.number().describe('When the same call can succeed.').optional(),
};

/** Optional details of an error of the chats. */
const chatInformation = {
  ...information,
  limit: z.number().int().describe('How much may be done in each window.').optional(),
  windowMs: z.number().int().describe('The length of the window.').optional(),
  maxBytes: z.number().int().describe('The size of the largest file.').optional(),
  quotaBytes: z.number().int().describe('The total size of the files of one user.').optional(),
};

const requestId = z
  .string()
  .describe('The `X-Request-Id` of the call: when the gateway failed, or when the caller sent one.')
  .optional();

const dataOf = (data: z.ZodType | undefined) => (data === undefined ? {} : { data });

/** Common to all successes; `data` is present where the contract declares an answer. */
export interface Succeeded {
  success: true;
  data?: unknown;
}

/** The body of a successful REST call. */
export const requestSuccess = (data?: z.ZodType, message = 'SUCCESS'): z.ZodType<Succeeded & { message: string }> =>
  z.object({ success: z.literal(true), message: z.literal(message), ...dataOf(data) });

/** The body of a failed REST call. */
export const requestFailure = z
  .object({ success: z.literal(false), errno, message: errorCode, ...information, requestId })
  .meta({ title: 'Failure', description: 'The call failed; `message` says why.' });

/** The body of `/health/ready` while the process should not receive traffic. */
export const unready = requestFailure.extend({ missing: z.array(z.string()) });

/** The body of a failed REST call to a chat. */
export const chatRequestFailure = z
  .object({ success: z.literal(false), message: z.string(), code: errorCode, ...chatInformation, requestId })
  .meta({ title: 'ChatFailure', description: 'The call failed; `message` says why in words, `code` for programs.' });

/** The acknowledgement of a failed event, except in the chats. */
export const eventFailure = z.object({
  success: z.literal(false),
  message: errorCode,
  additional_info: z.object({ errno, ...information }),
});

/** The data of `event_error`. */
export const eventError = eventFailure.extend({ event: z.string() });

/** The `data` of a refused connection, in both formats. */
export const refusalData = z.object({
  errno,
  message: errorCode,
  retry_after: z.number().int().describe('Seconds after which a connection can succeed.').optional(),
  retry_after_ms: z.number().describe('The same in milliseconds, of UNAVAILABLE.').optional(),
});

/** The default format. */
export const generalReplies = {
  success: requestSuccess,
  failure: eventFailure,
  refusal: z.object({ message: errorCode, data: refusalData }),
} satisfies ReplySchemas;

/** The format of the support chat and the community chat. */
export const chatReplies = {
  success: (data?: z.ZodType): z.ZodType<Succeeded> => z.object({ success: z.literal(true), ...dataOf(data) }),
  failure: z.object({ success: z.literal(false), error: z.string(), code: errorCode, ...chatInformation }),
  refusal: z.object({ message: z.string(), data: refusalData }),
} satisfies ReplySchemas;

/** The format of the push sites: a refusal carries a sentence instead of a code. */
export const siteReplies = {
  ...generalReplies,
  refusal: z.object({ message: z.string(), data: refusalData }),
} satisfies ReplySchemas;
