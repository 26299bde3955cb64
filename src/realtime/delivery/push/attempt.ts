import { type PushResult, type PushSender, TOKENS_MAX } from '../../../platform/fcm/sender.js';
import type { Logger } from '../../../platform/logging/logger.js';
import type { Metrics } from '../../../platform/metrics.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { Traffic } from '../../traffic.js';
import type { Delivery } from '../index.js';
import type { PushRecorder } from './recorder.js';
import type { DuePush, PushProgress, PushStore } from './store.js';
import type { PushTokens } from './tokens.js';

/** Attempts in all, with 10, 20, 40 and 80 seconds between them, or more if FCM asks for it. */
const ATTEMPTS_MAX = 5;
const BACK_OFF_MS = 10_000;
/** Share of the back-off that is added at random, so that what failed together is not repeated together. */
const JITTER = 0.2;
/** A push whose message is not found is due again, until the message cannot be stored any more by the clock of any node. */
const STORING_MS = 15_000;
const STORING_RETRY_MS = 1000;

interface Dependencies {
  readonly sender: PushSender;
  readonly store: PushStore;
  readonly recorder: PushRecorder;
  readonly tokens: PushTokens;
  readonly delivery: Pick<Delivery, 'statusOf' | 'markPushed'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly traffic: Pick<Traffic, 'isWatched' | 'pushed'>;
}

/** Whether a push is still to be sent; `unknown`: its message may still be stored. */
type Need = 'needed' | 'over' | 'unknown';

/** What came of sending. */
interface Sent {
  readonly progress: PushProgress;
  /** FCM asks not to be asked again for this long. */
  readonly retryAfterMs: number;
  /** This node still holds the push. */
  readonly isHeld: boolean;
}

/** Sends pushes that are due and claimed by this node. */
export class PushAttempts {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** @returns Unix time in milliseconds of the next attempt; `undefined`: it was the last */
  async run(push: DuePush): Promise<number | undefined> {
    const { store, clock } = this.#dependencies;
    const need = await this.#needOf(push);
    if (need === 'unknown') {
      const dueAt = clock.now() + STORING_RETRY_MS;
      await store.putOff(push, { dueAt, attempts: push.attempts - 1 });
      return dueAt;
    }
    if (need === 'over') {
      await this.#finish(push, push);
      await store.remove([push.id]);
      return undefined;
    }
    const { progress, retryAfterMs, isHeld } = await this.#send(push);
    await this.#finish(push, progress);
    // Another node has taken it, and goes on with the tokens that are left.
    if (!isHeld) return undefined;
    if (progress.tokens.length > 0 && push.attempts < ATTEMPTS_MAX) {
      const dueAt = clock.now() + Math.max(backOffMs(push.attempts), retryAfterMs);
      await store.putOff(push, { dueAt });
      return dueAt;
    }
    this.#noteGivenUp(push, progress.tokens.length);
    await store.remove([push.id]);
    return undefined;
  }

  /** Releases a push that failed: either nothing was sent, or what was sent is stored. */
  async postpone(push: DuePush): Promise<void> {
    const { store, clock } = this.#dependencies;
    await store.putOff(push, { dueAt: clock.now() + backOffMs(push.attempts) });
  }

  async #needOf({ id, tokens, attempts, isFallback, createdAt }: DuePush): Promise<Need> {
    if (tokens?.length === 0 || attempts > ATTEMPTS_MAX) return 'over';
    if (!isFallback) return 'needed';
    const { delivery, clock } = this.#dependencies;
    const status = await delivery.statusOf(id);
    if (status === undefined) return clock.now() - createdAt < STORING_MS ? 'unknown' : 'over';
    return status.state === 'acked' || status.state === 'expired' ? 'over' : 'needed';
  }

  /** Sends to every token that is left. The response to each multicast is stored before the next is sent. */
  async #send(push: DuePush): Promise<Sent> {
    const { sender, recorder, tokens: pushTokens } = this.#dependencies;
    const tokens = push.tokens ?? (await pushTokens.of(push.userIds));
    const [retryable, refused] = [new Set<string>(), new Set(push.refused)];
    let { isShown } = push;
    let retryAfterMs = 0;
    let isHeld = true;
    for (let start = 0; start < tokens.length && isHeld; start += TOKENS_MAX) {
      const result = await sender.send(tokens.slice(start, start + TOKENS_MAX), push.notification);
      this.#note(push, result);
      for (const token of result.retryable) retryable.add(token);
      for (const token of result.unregistered) refused.add(token);
      isShown ||= result.sent > 0;
      retryAfterMs = Math.max(retryAfterMs, result.retryAfterMs);
      const left = [...retryable, ...tokens.slice(start + TOKENS_MAX)];
      isHeld = await recorder.record(push, { tokens: left, isShown, refused: [...refused] });
    }
    return { progress: { tokens: [...retryable], isShown, refused: [...refused] }, retryAfterMs, isHeld };
  }

  /** What follows from the responses of FCM, and can be repeated. @throws when the message could not be marked */
  async #finish(push: DuePush, { isShown, refused }: Pick<PushProgress, 'isShown' | 'refused'>): Promise<void> {
    const { tokens, delivery, logger } = this.#dependencies;
    // A token that stays is refused, and removed, with the next push.
    await tokens.remove(push.userIds, refused).catch((error: unknown) => {
      logger.warn({ err: error, push: push.id }, 'push: removing refused tokens failed');
    });
    if (isShown && push.isFallback) await delivery.markPushed(push.id);
  }

  #note(push: DuePush, { sent, unregistered, retryable, failures }: PushResult): void {
    const { logger } = this.#dependencies;
    const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
    const counts = { sent, unregistered: unregistered.length, postponed: retryable.length, failed };
    for (const [result, count] of Object.entries(counts)) this.#count(push, result, count);
    if (failed > 0) logger.warn({ push: push.id, failures }, 'push: refused by FCM');
  }

  #noteGivenUp(push: DuePush, tokens: number): void {
    if (tokens === 0) return;
    this.#count(push, 'given up', tokens);
    this.#dependencies.logger.warn({ push: push.id, users: push.userIds, tokens }, 'push: given up');
  }

  #count({ id, userIds, notification }: DuePush, result: string, tokens: number): void {
    const { metrics, traffic } = this.#dependencies;
    if (tokens === 0) return;
    metrics.pushes.inc({ result }, tokens);
    if (traffic.isWatched) traffic.pushed({ id, userIds, event: notification.data['event'], result, tokens });
  }
}

/** How long to wait after so many attempts. */
const backOffMs = (attempts: number): number => BACK_OFF_MS * 2 ** (attempts - 1) * (1 + Math.random() * JITTER);
