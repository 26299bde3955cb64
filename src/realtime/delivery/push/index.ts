/**
 * Push notifications: the fallback for messages that no device acknowledges, and messages to users who are not connected.
 *
 * Every push is a document with a time at which it is due, so all nodes know of it and it survives each of them. It is stored
 * before its message, and becomes due when the message is stored. The node that claims it holds it by a lease. An
 * acknowledgement removes the document, and is looked for again right before sending.
 *
 * The response of FCM is stored before anything else: the tokens that are left, whether any was reached, and which are to be
 * removed. While the database is away that write alone is repeated, from memory, and the other nodes are asked to do it. So a
 * push is sent once to each token, and twice only if a node dies between the response and that write. The second one then
 * replaces the first on the screen, because both have the id of the message. What follows (the state of the message, the
 * removal of tokens) can be repeated and never sends anything.
 */
import type { Models } from '#shared/models/index.js';
import type { PushNotification } from '../../../platform/fcm/notification.js';
import type { PushSender } from '../../../platform/fcm/sender.js';
import type { Logger } from '../../../platform/logging/logger.js';
import type { Metrics } from '../../../platform/metrics.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { Bus } from '../../bus.js';
import type { Traffic } from '../../traffic.js';
import type { Delivery } from '../index.js';
import { PushAttempts } from './attempt.js';
import { PushRecorder } from './recorder.js';
import type { PushStore } from './store.js';
import { PushTokens } from './tokens.js';
import { PushWorker } from './worker.js';

/** Sends push notifications to users. */
export interface Push {
  /** Without credentials push is off and everything else works. */
  readonly isOn: boolean;
  /** Sends to all tokens of users. Never rejects: what fails is logged or repeated. */
  send(userIds: readonly string[], notification: PushNotification): Promise<void>;
  /** Drops a push that was not sent yet. @param id of the notification. Never rejects. */
  withdraw(id: string): Promise<void>;
}

/** {@link Push} with its background work. */
export interface PushService extends Push {
  start(): void;
  stop(): Promise<void>;
}

interface Dependencies {
  readonly store: PushStore;
  /** `undefined`: push is off. */
  readonly sender: PushSender | undefined;
  readonly delivery: Pick<Delivery, 'statusOf' | 'markPushed'>;
  readonly models: Models;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly traffic: Pick<Traffic, 'isWatched' | 'pushed'>;
}

/** Without a `sender`, `send` does nothing and stores nothing. */
export function createPush({ sender, ...dependencies }: Dependencies): PushService {
  return sender === undefined ? pushIsOff : createPushService({ ...dependencies, sender });
}

const pushIsOff: PushService = {
  isOn: false,
  send: async () => undefined,
  withdraw: async () => undefined,
  start: () => undefined,
  stop: async () => undefined,
};

function createPushService(dependencies: Dependencies & { sender: PushSender }): PushService {
  const { store, models, bus, clock, logger } = dependencies;
  const report = (error: unknown): void => logger.warn({ err: error }, 'push: database operation failed; retrying');
  const recorder = new PushRecorder({ store, bus, clock, report });
  const attempts = new PushAttempts({ ...dependencies, recorder, tokens: new PushTokens(models) });
  const worker = new PushWorker({ store, attempts, clock, report });
  return {
    isOn: true,
    async send(userIds, notification) {
      const push = { userIds, notification, isFallback: false, afterMs: 0 };
      try {
        await store.add([push]);
        await store.release([push]);
      } catch (error) {
        logger.warn({ err: error }, 'push: not sent because the database failed');
      }
    },
    withdraw: (id) => store.remove([id]).catch(report),
    start() {
      recorder.start();
      worker.start();
    },
    async stop() {
      recorder.stop();
      await worker.stop();
    },
  };
}
