/**
 * What is shown by push: the fallback of messages that no device acknowledges, and what is said to people who are away.
 *
 * Every push is a document with a time at which it is due, stored before its message, so all nodes know of it and it
 * outlives each of them. The node that claims it holds it by a lease. An acknowledgement removes the document, and is
 * looked for again right before sending.
 *
 * What FCM answers is stored first, before anything else that can fail: the tokens that are left, whether any was reached,
 * and which are to be removed. While the database is away that write alone is repeated, from memory, and the other nodes are
 * asked to do it. So a push is sent once to each token, and twice only if a node ends between FCM's answer and that write. The second takes the place of the first
 * on the screen, because both bear the id of the message. The rest (the state of the message, the removal of tokens) can be
 * repeated, and never sends anything.
 */
import type { Models } from '#shared/models/index.js';
import type { Clock } from '../../platform/clock.js';
import type { PushNotification } from '../../platform/fcm/notification.js';
import { type PushResult, type PushSender, TOKENS_MAX } from '../../platform/fcm/sender.js';
import type { Logger } from '../../platform/logger.js';
import type { Metrics } from '../../platform/metrics.js';
import type { Bus } from '../bus.js';
import type { Delivery } from './index.js';
import { type DuePush, type HeldPush, LEASE_MS, type PushProgress, type PushStore } from './push-store.js';
import { createPushTokens } from './push-tokens.js';

/** How often a node looks for what is due. */
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
/** How long to wait before FCM's answer is stored again, while the database is away: twice as long each time, up to a limit. */
const RECORD_RETRY_MS = 1000;
const RECORD_RETRY_MAX_MS = 8000;
const TOPIC = 'pushes';

/** Asks the other nodes to store what FCM has answered: this one cannot reach the database, they perhaps can. */
interface Unrecorded {
  readonly push: HeldPush;
  readonly progress: PushProgress;
}

/** Shows users something by push. */
export interface Push {
  /** Without credentials push is off and everything else works. */
  readonly isOn: boolean;
  /** Tells all devices that the users have registered. Never rejects: what fails is logged or tried again. */
  send(userIds: readonly string[], notification: PushNotification): Promise<void>;
  /** Drops a push that was not sent yet. @param id of the notification. Never rejects. */
  withdraw(id: string): Promise<void>;
}

interface Dependencies {
  store: PushStore;
  /** `undefined`: push is off. */
  sender: PushSender | undefined;
  delivery: Pick<Delivery, 'statusOf' | 'markPushed'>;
  models: Models;
  bus: Bus;
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
}

/** Push through a sender, with everything that is due in a store. */
export function createPush(dependencies: Dependencies): Push & { start(): void; stop(): Promise<void> } {
  const { store, sender, delivery, models, bus, clock, logger, metrics } = dependencies;
  const tokensOf = createPushTokens(models);
  const lanes = new Set<Promise<void>>();
  let timer: { at: number; cancel(): void } | undefined;
  let stopPasses = (): void => undefined;
  let isStopped = sender === undefined;
  const pauses = new Set<() => void>();
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
      await attempt(via, held)
        .catch((error: unknown) => postpone(held, error))
        .finally(stopExtending);
    }
    const next = isStopped ? undefined : await store.nextDueAt();
    if (next !== undefined) wakeAt(next);
  };

  /** Lets go of a push that failed: either nothing was sent, or what was sent is stored. */
  const postpone = async (push: DuePush, error: unknown): Promise<void> => {
    report(error);
    if (!isStopped) await store.putOff(push, { dueAt: clock.now() + backOffMs(push.attempts) });
  };

  const attempt = async (via: PushSender, push: DuePush): Promise<void> => {
    const isDone = push.tokens?.length === 0 || push.attempts > ATTEMPTS_MAX;
    const fate = isDone ? 'over' : push.isFallback ? await fateOf(push) : 'needed';
    if (fate === 'unclear') {
      const dueAt = clock.now() + STORING_LOOK_MS;
      return store.putOff(push, { dueAt, attempts: push.attempts - 1 });
    }
    const isNeeded = fate === 'needed';
    const { progress, retryAfterMs } = isNeeded ? await sendAll(via, push) : { progress: push, retryAfterMs: 0 };
    await finish(push, progress);
    const left = isNeeded ? (progress.tokens?.length ?? 0) : 0;
    if (left > 0 && push.attempts < ATTEMPTS_MAX) {
      const dueAt = clock.now() + Math.max(backOffMs(push.attempts), retryAfterMs);
      wakeAt(dueAt);
      return store.putOff(push, { dueAt });
    }
    if (left > 0) {
      metrics.pushes.inc({ result: 'given up' }, left);
      logger.warn({ push: push.id, tokens: left }, 'push: given up');
    }
    await store.remove([push.id]);
  };

  /** Whether the message that a push stands for still waits to be acknowledged. */
  const fateOf = async ({ id, createdAt }: DuePush): Promise<'needed' | 'unclear' | 'over'> => {
    const status = await delivery.statusOf(id);
    if (status === undefined) return clock.now() - createdAt < STORING_MS ? 'unclear' : 'over';
    return status.state === 'acked' || status.state === 'expired' ? 'over' : 'needed';
  };

  /** Sends to every token that is left. Each multicast's answer is stored before the next is sent. */
  const sendAll = async (via: PushSender, push: DuePush): Promise<{ progress: PushProgress; retryAfterMs: number }> => {
    const tokens = push.tokens ?? (await tokensOf.of(push.userIds));
    const [retryable, refused] = [new Set<string>(), new Set(push.refused)];
    let { isShown } = push;
    let retryAfterMs = 0;
    let isHeld = true;
    for (let start = 0; start < tokens.length && isHeld; start += TOKENS_MAX) {
      const result = await via.send(tokens.slice(start, start + TOKENS_MAX), push.notification);
      note(push, result);
      for (const token of result.retryable) retryable.add(token);
      for (const token of result.unregistered) refused.add(token);
      isShown ||= result.sent > 0;
      retryAfterMs = Math.max(retryAfterMs, result.retryAfterMs);
      const left = [...retryable, ...tokens.slice(start + TOKENS_MAX)];
      isHeld = await record(push, { tokens: left, isShown, refused: [...refused] });
    }
    return { progress: { tokens: isHeld ? [...retryable] : [], isShown, refused: [...refused] }, retryAfterMs };
  };

  /** Stores FCM's answer, and tries again while the database is away. @throws when the gateway stops meanwhile */
  const record = async (push: DuePush, progress: PushProgress): Promise<boolean> => {
    for (let delayMs = RECORD_RETRY_MS; ; delayMs = Math.min(2 * delayMs, RECORD_RETRY_MAX_MS)) {
      try {
        return await store.record(push, progress);
      } catch (error) {
        report(error);
        bus.publish(TOPIC, { push: { id: push.id, lease: push.lease }, progress } satisfies Unrecorded);
        if (isStopped) throw error;
        await pause(delayMs);
      }
    }
  };

  /** Resolves when the time is over, or the gateway stops. */
  const pause = (delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        cancel();
        pauses.delete(end);
        resolve();
      };
      const cancel = clock.after(delayMs, end);
      pauses.add(end);
    });

  /** What follows from FCM's answer. @throws when the message could not be marked; it is marked later */
  const finish = async (
    push: DuePush,
    { isShown, refused }: Pick<PushProgress, 'isShown' | 'refused'>,
  ): Promise<void> => {
    // A token that stays is refused, and removed, with the next push.
    await tokensOf.remove(push.userIds, refused).catch((error: unknown) => {
      logger.warn({ err: error, push: push.id }, 'push: tokens could not be removed');
    });
    if (isShown && push.isFallback) await delivery.markPushed(push.id);
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
    async withdraw(id) {
      if (sender !== undefined) await store.remove([id]).catch(report);
    },
    start() {
      if (sender === undefined) return;
      store.onAnnounced(wakeAt);
      bus.subscribe(TOPIC, (message) => {
        const { push, progress } = message as Unrecorded;
        void store.record(push, progress).catch(report);
      });
      stopPasses = clock.every(PASS_INTERVAL_MS, openLane);
      openLane();
    },
    async stop() {
      isStopped = true;
      stopPasses();
      timer?.cancel();
      for (const end of pauses) end();
      await Promise.all(lanes);
    },
  };
}

/** How long to wait after so many tries. */
const backOffMs = (attempts: number): number => BACK_OFF_MS * 2 ** (attempts - 1) * (1 + Math.random() * JITTER);
