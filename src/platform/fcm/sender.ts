import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent } from 'node:https';
import type { FirebaseError } from 'firebase-admin/app';
import type { Messaging, SendResponse } from 'firebase-admin/messaging';
import type { Logger } from '../logging/logger.js';
import type { Clock } from '../time/clock.js';
import { type PushSettings, readCredential } from './account.js';
import { type PushNotification, toMessage } from './notification.js';

/** The results of a multicast, by token. */
export interface PushResult {
  readonly sent: number;
  /** Tokens that FCM refuses permanently: unknown, expired, or malformed. */
  readonly unregistered: readonly string[];
  /** Tokens for which a retry may succeed. */
  readonly retryable: readonly string[];
  /** The number of permanent failures by code. */
  readonly failures: Readonly<Record<string, number>>;
  /** The delay that FCM requested before a retry. */
  readonly retryAfterMs: number;
}

/** Sends push notifications. */
export interface PushSender {
  /** One multicast to at most {@link TOKENS_MAX} tokens. Never rejects. */
  send(tokens: readonly string[], notification: PushNotification): Promise<PushResult>;
  close(): Promise<void>;
}

/** FCM's limit of tokens in one multicast. */
export const TOKENS_MAX = 500;
/** Maximum concurrent connections to FCM. */
const CONNECTIONS_MAX = 32;
/** Upper limit for the delay that FCM requests. Later notifications are useless. */
const RETRY_AFTER_MAX_MS = 3_600_000;

interface Surroundings {
  clock: Clock;
  /** It goes on evenly when the date of the machine is set. */
  steadyClock: Clock;
  logger: Logger;
  /** Opens the connections to Google. */
  agent?: Agent | undefined;
}

/**
 * Initializes Firebase Cloud Messaging. Loads the library only here, because that is slow.
 * @param settings the first one that is set is used
 * @returns `undefined` when none is set: push is off
 * @throws Error with the variable's name when its credentials cannot be used
 */
export async function openPush(
  settings: PushSettings,
  { clock, steadyClock, logger, agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX }) }: Surroundings,
): Promise<PushSender | undefined> {
  if (settings.serviceAccount === undefined && settings.credentialsPath === undefined) {
    logger.info('push: off, no FIREBASE_SERVICE_ACCOUNT and no GOOGLE_APPLICATION_CREDENTIALS');
    return undefined;
  }
  const credential = await readCredential(settings, agent);
  const [{ initializeApp, deleteApp }, { getMessaging }] = await Promise.all([
    import('firebase-admin/app'),
    import('firebase-admin/messaging'),
  ]);
  const app = initializeApp({ credential, httpAgent: agent }, randomUUID());
  const messaging = getMessaging(app);
  // With HTTP/2 the library reconnects for each multicast and bypasses the agent; most multicasts have one token.
  messaging.enableLegacyHttpTransport();
  // Disables the library's own retry of a 503. Retries are decided in one place, which survives the failure of a node.
  messaging['messagingRequestHandler'].httpClient.retry = undefined;
  const answerOf = keepAnswers(messaging);
  logger.info('push: on');
  const waits = watchRetryAfter(agent, { clock, steadyClock });

  return {
    async send(tokens, notification) {
      const outcome = await messaging.sendEachForMulticast({ tokens: [...tokens], ...toMessage(notification) }).then(
        ({ responses }) => responses,
        (error: FirebaseError) => tokens.map((): SendResponse => ({ success: false, error })),
      );
      return { ...toResult(tokens, outcome, answerOf), retryAfterMs: waits.remainingMs() };
    },
    async close() {
      waits.stop();
      await deleteApp(app);
      agent.destroy();
    },
  };
}

const RETRYABLE_CODES = new Set([
  'messaging/message-rate-exceeded',
  'messaging/device-message-rate-exceeded',
  'messaging/server-unavailable',
  'messaging/internal-error',
  'messaging/unknown-error',
  // No response from FCM or from the token endpoint.
  'app/network-error',
  'app/network-timeout',
  'app/invalid-credential',
  'app/internal-error',
]);

function toResult(
  tokens: readonly string[],
  responses: readonly SendResponse[],
  answerOf: AnswerOf,
): Omit<PushResult, 'retryAfterMs'> {
  const unregistered: string[] = [];
  const retryable: string[] = [];
  const failures: Record<string, number> = {};
  for (const [index, { success, error }] of responses.entries()) {
    const token = tokens[index] ?? '';
    const code = error?.code ?? 'unknown';
    if (success) continue;
    if (isAboutToken(error && answerOf(error))) unregistered.push(token);
    else if (RETRYABLE_CODES.has(code)) retryable.push(token);
    else failures[code] = (failures[code] ?? 0) + 1;
  }
  const sent = responses.filter(({ success }) => success).length;
  return { sent, unregistered, retryable, failures };
}

/**
 * Whether a failure concerns the token, so that retries never succeed. The codes are those of FCM's v1 API (`ErrorCode`).
 * Responses without one concern the project or its credentials. So does `SENDER_ID_MISMATCH`: with the credentials of
 * another project FCM refuses every token of every user. `INVALID_ARGUMENT` may concern any part of the message, and
 * counts only when it names the token.
 */
function isAboutToken({ message, details }: Refusal = {}): boolean {
  const fcmCode = details?.find((detail) => String(detail['@type']).endsWith('.fcm.v1.FcmError'))?.['errorCode'];
  if (fcmCode !== 'INVALID_ARGUMENT') return fcmCode === 'UNREGISTERED';
  const fields = details?.flatMap((detail) => (detail['fieldViolations'] as { field?: unknown }[] | undefined) ?? []);
  return /registration token/i.test(message ?? '') || fields?.some(({ field }) => field === 'message.token') === true;
}

/** The part of `error` in a Google response that is used. */
interface Refusal {
  readonly message?: string;
  readonly details?: readonly Record<string, unknown>[];
}

type AnswerOf = (error: object) => Refusal | undefined;

/**
 * Keeps FCM's response with each error. The library maps different responses to the same code, such as a token of
 * another project and an account without permission.
 */
function keepAnswers(messaging: Messaging): AnswerOf {
  const answers = new WeakMap<object, Refusal>();
  const handler = messaging['messagingRequestHandler'];
  const build = handler['buildSendResponseFromError'].bind(handler);
  handler['buildSendResponseFromError'] = (failure: { response: { isJson(): boolean; data: { error?: unknown } } }) => {
    const built = build(failure);
    const refusal = failure.response.isJson() ? failure.response.data.error : undefined;
    if (typeof refusal === 'object' && refusal !== null) answers.set(built.error, toRefusal(refusal));
    return built;
  };
  return (error) => answers.get(error);
}

function toRefusal({ message, details }: { message?: unknown; details?: unknown }): Refusal {
  const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  return {
    ...(typeof message === 'string' && { message }),
    ...(Array.isArray(details) && { details: details.filter(isRecord) }),
  };
}

/** Reads `Retry-After` from Node.js diagnostics events, because the library does not expose it. */
function watchRetryAfter(agent: Agent, { clock, steadyClock }: Pick<Surroundings, 'clock' | 'steadyClock'>) {
  let until = 0;
  const listen = (message: unknown): void => {
    const { request, response } = message as {
      request: ClientRequest & { agent?: unknown };
      response: IncomingMessage;
    };
    if (request.agent !== agent) return;
    const waitMs = toWaitMs(response.headers['retry-after'], clock.now());
    until = Math.max(until, steadyClock.now() + Math.min(waitMs, RETRY_AFTER_MAX_MS));
  };
  subscribe('http.client.response.finish', listen);
  return {
    remainingMs: () => Math.max(0, until - steadyClock.now()),
    stop: () => void unsubscribe('http.client.response.finish', listen),
  };
}

/** @param header seconds, or an HTTP date */
function toWaitMs(header: string | undefined, now: number): number {
  if (header === undefined) return 0;
  const waitMs = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isNaN(waitMs) ? 0 : Math.max(0, waitMs);
}
