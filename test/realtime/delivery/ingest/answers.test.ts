import { expect, test } from 'vitest';
import { silentBus } from '../../../../src/realtime/bus.js';
import { createSender } from './sender.js';

test('a caller is told whether another node has the user without waiting for the announcement', async () => {
  const held = new Map([
    ['user:held', true],
    ['user:offline', false],
  ]);
  const never = new Promise<never>(() => undefined);
  const { send } = createSender({ bus: { ...silentBus, recall: async () => held, publishToRooms: () => never } });
  const sent = await Promise.all(['held', 'offline'].map((userId) => send(userId)));
  expect(await Promise.all(sent.map(({ isElsewhere }) => isElsewhere()))).toEqual([true, false]);
});

test('what was not known before the message was stored is known from its announcement', async () => {
  const { send } = createSender({
    bus: {
      ...silentBus,
      recall: async () => new Map(),
      publishToRooms: async (_topic, messages) => ({ isComplete: true, areHeld: messages.map(() => true) }),
    },
  });
  const { isElsewhere } = await send('held');
  expect(await isElsewhere()).toBe(true);
});
