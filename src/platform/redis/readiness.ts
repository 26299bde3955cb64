import { setTimeout as delay } from 'node:timers/promises';
import { DisconnectsClientError, ErrorReply } from 'redis';
import type { Logger } from '../logging/logger.js';
import { StartError } from '../start-error.js';
import type { SelfCheck } from './check.js';
import { backOffMs, type CommandClient } from './connection.js';
import { watchConnection } from './hang-detector.js';
import {
  isOfWrongServer,
  isPermanent,
  isRefusedTls,
  LostMessageError,
  refusalOf,
  toReason,
  toRemedy,
  UnknownMasterError,
  WrongServerError,
} from './refusal.js';
import { HUNG_AFTER_MS } from './server-connection.js';
import { toTlsHint } from './tls.js';

/** Whether Redis works as required, as of the last self-check. */
export interface Readiness {
  isReady(): boolean;
  onStateChange(listener: (isReady: boolean) => void): () => void;
  /** Runs the self-check; concurrent callers share its result. @throws the problem */
  checkNow(): Promise<void>;
  /** @throws StartError with address, cause and remedy: at once if only other settings help, else after `limitMs` */
  untilReady(limitMs: number): Promise<void>;
  stop(): void;
}

/** Options of {@link createReadiness}. */
export interface ReadinessOptions {
  clients: readonly CommandClient[];
  check: SelfCheck;
  /** Address of Redis, without credentials. */
  address: string;
  /** Prefix of all keys and channels. */
  prefix: string;
  logger: Pick<Logger, 'info' | 'error'>;
}

const CHECK_INTERVAL_MS = 1_000;
const START_RETRY_MS = 50;
/** Distinct reasons logged until Redis is ready again. */
const REASONS_MAX = 20;

/**
 * Runs the self-check on reconnect, every second while it succeeds, and with back-off while it fails. Reconnects when
 * connected to a wrong server, such as a former primary after a fail-over.
 */
export function createReadiness({ clients, check, address, prefix, logger }: ReadinessOptions): Readiness {
  const listeners = new Set<(isReady: boolean) => void>();
  const logged = new Set<string>();
  const details = { dependency: 'redis', address };
  let isReady = false;
  /** When it was usable last; `undefined`: it is, or has never been. */
  let lostAtMs: number | undefined;
  let isStopped = false;
  const noAnswer = new Error('no answer yet');
  let lastError: unknown = noAnswer;
  let failures = 0;
  let reconnectAt = 0;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  const areConnected = (): boolean => clients.every((client) => client.isReady);
  const setReady = (value: boolean): void => {
    if (isReady === value || isStopped) return;
    isReady = value;
    if (value) {
      logged.clear();
      if (lostAtMs === undefined) logger.info(details, 'dependency ready');
      else logger.info({ ...details, awayMs: Math.round(performance.now() - lostAtMs) }, 'dependency back');
      lostAtMs = undefined;
    } else {
      lostAtMs = performance.now();
    }
    for (const listener of listeners) listener(value);
  };
  const noteFailure = (error: unknown): void => {
    // The first connection takes a moment; when it fails, the reason comes.
    if (isStopped || (error === noAnswer && !isReady)) return;
    lastError = error;
    const refusal = refusalOf(error);
    if (!logged.has(refusal) && logged.size < REASONS_MAX) {
      logged.add(refusal);
      const remedy = toRemedy(error, prefix).trim();
      const problem = { ...details, err: error, ...(remedy !== '' && { remedy }) };
      logger.error(problem, isReady ? 'dependency lost; retrying' : 'dependency not ready; retrying');
    }
    setReady(false);
  };
  const stopWatches = clients.map((client) =>
    watchConnection(client, () => noteFailure(new Error(`no answer within ${HUNG_AFTER_MS} ms`))),
  );

  const runCheck = async (): Promise<void> => {
    try {
      if (!areConnected()) throw lastError;
      await check.run();
      if (!areConnected()) throw lastError;
    } catch (error) {
      // This process has dropped the connection; the reason was noted then.
      if (!(error instanceof DisconnectsClientError)) noteFailure(error);
      if (isOfWrongServer(error) && performance.now() >= reconnectAt) {
        reconnectAt = performance.now() + backOffMs(failures);
        for (const client of clients) client.reconnect();
      }
      failures += 1;
      throw error;
    }
    failures = 0;
    setReady(true);
  };
  const checkNow = (): Promise<void> => {
    running ??= runCheck().finally(() => {
      running = undefined;
      clearTimeout(timer);
      if (isStopped) return;
      timer = setTimeout(
        checkQuietly,
        isReady ? CHECK_INTERVAL_MS : Math.min(CHECK_INTERVAL_MS, backOffMs(failures)),
      ).unref();
    });
    return running;
  };
  const checkQuietly = (): void => void checkNow().catch(() => undefined);

  for (const client of clients) {
    client.on('error', (error) => {
      if (!client.isReady) noteFailure(error);
    });
    client.on('ready', checkQuietly);
  }

  return {
    isReady: () => isReady,
    onStateChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    checkNow,
    async untilReady(limitMs) {
      const deadline = performance.now() + limitMs;
      // A running check began before the call, so its result may be out of date.
      await running?.catch(() => undefined);
      for (;;) {
        const failure = await checkNow().then(
          () => undefined,
          (error: unknown) => ({ error }),
        );
        if (failure === undefined) return;
        const isOver = performance.now() + START_RETRY_MS >= deadline;
        if (isOver || isPermanent(failure.error))
          throw new StartError('REDIS', toSentence(failure.error, { address, prefix, limitMs }));
        await delay(START_RETRY_MS);
      }
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      for (const stopWatch of stopWatches) stopWatch();
    },
  };
}

/** Errors that a reachable Redis causes. */
const ANSWERS = [ErrorReply, LostMessageError, WrongServerError, UnknownMasterError] as const;

function toSentence(
  error: unknown,
  { address, prefix, limitMs }: Pick<ReadinessOptions, 'address' | 'prefix'> & { limitMs: number },
): string {
  const isAnswer = ANSWERS.some((kind) => error instanceof kind) || isRefusedTls(error);
  const problem = isAnswer ? 'cannot be used' : `could not be reached within ${limitMs} ms`;
  return `Redis at ${address} ${problem}: ${toReason(error)}.${toRemedy(error, prefix) || toTlsHint(error, address.startsWith('rediss'))}`.replace(
    '..',
    '.',
  );
}
