/**
 * What is shown by push: the fallback of messages that no device acknowledges, and what is said to people who are away.
 *
 * Every push is a document with a time at which it is due, stored before its message; so all nodes know of it, and it
 * outlives each of them. When it is due, the node that moves this time forward first has it for as long as it keeps moving
 * it; should that node die, it is due again, and somebody else's. What fails for now is due again later, for the tokens
 * that are left. An acknowledgement takes the document away, and is looked for again right before sending.
 *
 * So a push is sent once; and twice only if a node dies between FCM's answer and the next write. The second takes the place
 * of the first on the screen, because both bear the id of the message.
 */
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../platform/clock.js';
import type { Logger } from '../../platform/logger.js';
import type { Metrics } from '../../platform/metrics.js';
import { type PushNotification, type PushResult, type PushSender, TOKENS_MAX } from '../../platform/push.js';
import type { Delivery } from './index.js';
import { type DuePush, LEASE_MS, type PushStore } from './push-store.js';
import { createPushTokens } from './push-tokens.js';

/** How often a node looks for what is due and whose node is gone. */
const PASS_INTERVAL_MS = 5000;
/** Multicasts under way at a time on one node; what else is due waits in the database. */
const LANES_MAX = 8;
/** What fails for now is tried so often in all, after 10, 20, 40 and 80 seconds, or later if FCM says so. */
const ATTEMPTS_MAX = 5;
const BACK_OFF_MS = 10_000;
/** Added at random, up to this share, so that what failed together does not come again together. */
const JITTER = 0.2;
/** A message is stored right after its push. If it is not there yet, it is looked for again, for so long. */
const STORING_MS = 15_000;
const STORING_LOOK_MS = 1000;

/** Shows users something by push. */
export interface Push {
  /** Without credentials push is off and everything else works. */
  readonly isOn: boolean;
  /** Tells all devices that the users have registered. Never rejects: what fails is logged or tried again. */
  send(userIds: readonly string[], notification: PushNotification): Promise<void>;
}

interface Dependencies {
  store: PushStore;
  /** `undefined`: push is off. */
  sender: PushSender | undefined;
  delivery: Pick<Delivery, 'statusOf' | 'markPushed'>;
  models: Models;
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
}

/** Push through a sender, with everything that is due in a store. */
export function createPush(dependencies: Dependencies): Push & { start(): void; stop(): Promise<void> } {
  const { store, sender, delivery, models, clock, logger, metrics } = dependencies;
  const tokensOf = createPushTokens(models);
  const lanes = new Set<Promise<void>>();
  let timer: { at: number; cancel(): void } | undefined;
  let stopPasses = (): void => undefined;
  let isStopped = sender === undefined;
  const report = (error: unknown): void => logger.warn({ err: error }, 'push: the database failed; trying again');

  /** Works on what is due, with another lane beside for as long as there is more. */
  const openLane = (): void => {
    if (isStopped || sender === undefined || lanes.size >= LANES_MAX) return;
    const lane = work(sender)
      .catch(report)
      .finally(() => lanes.delete(lane));
    lanes.add(lane);
  };

  const wakeAt = (at: number): void => {
    const delayMs = at - clock.now();
    if (delayMs <= 0) openLane();
    if (delayMs <= 0 || isStopped || (timer !== undefined && timer.at <= at)) return;
    timer?.cancel();
    const cancel = clock.after(delayMs, () => {
      timer = undefined;
      openLane();
    });
    timer = { at, cancel };
  };

  const work = async (via: PushSender): Promise<void> => {
    for (let push = await store.claim(); push !== undefined; push = isStopped ? undefined : await store.claim()) {
      const held = push;
      openLane();
      const stopExtending = clock.every(LEASE_MS / 3, () => void store.extend(held).catch(report));
      await attempt(via, held).finally(stopExtending);
    }
    const next = isStopped ? undefined : await store.nextDueAt();
    if (next !== undefined) wakeAt(next);
  };

  const attempt = async (via: PushSender, push: DuePush): Promise<void> => {
    const fate = push.isFallback ? await fateOf(push) : 'needed';
    if (fate === 'unclear') {
      const dueAt = clock.now() + STORING_LOOK_MS;
      return store.putOff(push, { dueAt, attempts: push.attempts - 1 });
    }
    if (fate === 'needed' && push.attempts <= ATTEMPTS_MAX) {
      const results = await sendAll(via, push);
      const retryable = results.flatMap((result) => result.retryable);
      if (results.some(({ sent }) => sent > 0) && push.isFallback) await delivery.markPushed(push.id);
      await tokensOf.remove(
        push.userIds,
        results.flatMap(({ unregistered }) => unregistered),
      );
      if (retryable.length > 0 && push.attempts < ATTEMPTS_MAX) {
        const waitMs = Math.max(backOffMs(push.attempts), ...results.map(({ retryAfterMs }) => retryAfterMs));
        wakeAt(clock.now() + waitMs);
        return store.putOff(push, { dueAt: clock.now() + waitMs, tokens: retryable });
      }
      if (retryable.length > 0) {
        metrics.pushes.inc({ result: 'given up' }, retryable.length);
        logger.warn({ push: push.id, tokens: retryable.length }, 'push: given up');
      }
    }
    await store.remove([push.id]);
  };

  /** Whether the message that a push stands for still waits to be acknowledged. */
  const fateOf = async ({ id, createdAt }: DuePush): Promise<'needed' | 'unclear' | 'over'> => {
    const status = await delivery.statusOf(id);
    if (status === undefined) return clock.now() - createdAt < STORING_MS ? 'unclear' : 'over';
    return status.state === 'acked' || status.state === 'expired' ? 'over' : 'needed';
  };

  const sendAll = async (via: PushSender, push: DuePush): Promise<PushResult[]> => {
    const tokens = push.tokens ?? (await tokensOf.of(push.userIds));
    const results: PushResult[] = [];
    for (let start = 0; start < tokens.length; start += TOKENS_MAX) {
      const result = await via.send(tokens.slice(start, start + TOKENS_MAX), push.notification);
      note(push, result);
      results.push(result);
    }
    return results;
  };

  const note = ({ id }: DuePush, { sent, unregistered, retryable, failures }: PushResult): void => {
    const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
    const counts = { sent, unregistered: unregistered.length, postponed: retryable.length, failed };
    for (const [result, count] of Object.entries(counts)) if (count > 0) metrics.pushes.inc({ result }, count);
    if (failed > 0) logger.warn({ push: id, failures }, 'push: FCM refused it');
  };

  return {
    isOn: sender !== undefined,
    async send(userIds, notification) {
      if (sender === undefined) return;
      const push = { userIds, notification, isFallback: false, afterMs: 0 };
      try {
        await store.add([push]);
        store.announce([push]);
      } catch (error) {
        logger.warn({ err: error }, 'push: not sent, the database failed');
      }
    },
    start() {
      if (sender === undefined) return;
      store.onAnnounced(wakeAt);
      stopPasses = clock.every(PASS_INTERVAL_MS, openLane);
      openLane();
    },
    async stop() {
      isStopped = true;
      stopPasses();
      timer?.cancel();
      await Promise.all(lanes);
    },
  };
}

/** How long to wait after so many tries. */
const backOffMs = (attempts: number): number => BACK_OFF_MS * 2 ** (attempts - 1) * (1 + Math.random() * JITTER);
