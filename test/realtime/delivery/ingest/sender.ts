import { createTaskTracker } from '../../../../src/platform/concurrency/task-tracker.js';
import { type Bus, silentBus } from '../../../../src/realtime/bus.js';
import type { QueueLimits } from '../../../../src/realtime/delivery/devices/queue-limits.js';
import type { Appender } from '../../../../src/realtime/delivery/ingest/appender.js';
import { Leaders } from '../../../../src/realtime/delivery/ingest/leaders.js';
import { Sender } from '../../../../src/realtime/delivery/ingest/sender.js';
import { type OutgoingMessage, withKey } from '../../../../src/realtime/delivery/message.js';
import type { Outboxes } from '../../../../src/realtime/delivery/outbox/outboxes.js';
import type { NewPush, PushStore } from '../../../../src/realtime/delivery/push/store.js';
import { toEntry } from '../../../../src/realtime/delivery/storage/entry.js';
import { Positions } from '../../../../src/realtime/delivery/storage/positions.js';
import { createNodeCalls } from '../../../../src/realtime/node-calls.js';
import { createTestClock } from '../../../support/clock.js';

interface Options {
  bus?: Bus;
  /** Stores pushes. */
  addPushes?: (pushes: readonly NewPush[]) => Promise<void>;
}

/** A sender of a node without sockets, whose database stores every message. */
export function createSender({ bus = silentBus, addPushes = async () => undefined }: Options) {
  const clock = createTestClock();
  /** The events of the messages that were stored, in order. */
  const stored: string[] = [];
  const appender: Pick<Appender, 'append'> = {
    append: async (messages) =>
      messages.map((message) => {
        stored.push(message.event);
        return toEntry(message, { recipient: withKey(message.recipient), position: 1, createdAt: clock.now() });
      }),
  };
  const pushStore: Pick<PushStore, 'add' | 'release'> = { add: addPushes, release: async () => undefined };
  const sender = new Sender({
    bus,
    tasks: createTaskTracker(() => undefined),
    positions: new Positions(clock),
    appender: appender as Appender,
    leaders: new Leaders({ nodeId: 'a', holdersOf: async () => [], clock, logger: { warn: () => undefined } }),
    nodeCalls: createNodeCalls({ bus, clock, nodeId: 'a' }),
    outboxes: { offer: () => 0 } as unknown as Outboxes,
    limits: { isDue: () => false } as unknown as QueueLimits,
    pushStore: pushStore as PushStore,
    measures: { stored: () => undefined },
  });
  const send = (userId: string, message: Partial<OutgoingMessage> = {}) =>
    sender.send({ recipient: { site: '', userId }, namespace: '/v1/shared', event: 'm', args: [], ...message });
  return { send, stored };
}
