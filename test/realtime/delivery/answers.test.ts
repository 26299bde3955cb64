import { expect, test } from 'vitest';
import { createTaskTracker } from '../../../src/platform/task-tracker.js';
import { type Bus, silentBus } from '../../../src/realtime/bus.js';
import type { Appender } from '../../../src/realtime/delivery/appender.js';
import { toEntry } from '../../../src/realtime/delivery/entry.js';
import { Leaders } from '../../../src/realtime/delivery/leaders.js';
import type { QueueLimits } from '../../../src/realtime/delivery/limits.js';
import { withKey } from '../../../src/realtime/delivery/message.js';
import type { Outboxes } from '../../../src/realtime/delivery/outboxes.js';
import { Positions } from '../../../src/realtime/delivery/positions.js';
import type { PushStore } from '../../../src/realtime/delivery/push/store.js';
import { Sender } from '../../../src/realtime/delivery/sender.js';
import { createNodeCalls } from '../../../src/realtime/node-calls.js';
import { createTestClock } from '../../support/clock.js';

/** A sender of a node without sockets, whose database stores everything. */
function createSender(bus: Bus) {
  const clock = createTestClock();
  const appender: Pick<Appender, 'append'> = {
    append: async (messages) =>
      messages.map((message) =>
        toEntry(message, { recipient: withKey(message.recipient), position: 1, createdAt: clock.now() }),
      ),
  };
  const pushStore: Pick<PushStore, 'add'> = { add: async () => undefined };
  const sender = new Sender({
    ...{ bus, tasks: createTaskTracker(() => undefined), positions: new Positions(clock) },
    appender: appender as Appender,
    leaders: new Leaders({ nodeId: 'a', clock, logger: { warn: () => undefined } }),
    nodeCalls: createNodeCalls({ bus, clock, nodeId: 'a' }),
    outboxes: { offer: () => 0 } as unknown as Outboxes,
    limits: { isDue: () => false } as unknown as QueueLimits,
    pushStore: pushStore as PushStore,
    measures: { stored: () => undefined },
  });
  const send = (userId: string) =>
    sender.send({ recipient: { site: '', userId }, namespace: '/v1/shared', event: 'm', args: [] });
  return { send };
}

test('a caller is told whether another node has the user without waiting for the announcement', async () => {
  const held = new Map([
    ['user:held', true],
    ['user:offline', false],
  ]);
  const never = new Promise<never>(() => undefined);
  const { send } = createSender({ ...silentBus, recall: async () => held, publishToRooms: () => never });
  const sent = await Promise.all(['held', 'offline'].map(send));
  expect(await Promise.all(sent.map(({ isElsewhere }) => isElsewhere()))).toEqual([true, false]);
});

test('what was not known before the message was stored is known from its announcement', async () => {
  const { send } = createSender({
    ...silentBus,
    recall: async () => new Map(),
    publishToRooms: async (_topic, messages) => ({ isComplete: true, areHeld: messages.map(() => true) }),
  });
  const { isElsewhere } = await send('held');
  expect(await isElsewhere()).toBe(true);
});
