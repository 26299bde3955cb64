import { expect, test } from 'vitest';
import { type Bus, silentBus } from '../../../../src/realtime/bus.js';
import { Forwarder } from '../../../../src/realtime/delivery/ingest/forwarder.js';
import { Leaders } from '../../../../src/realtime/delivery/ingest/leaders.js';
import { type IdentifiedMessage, type KeyedRecipient, withKey } from '../../../../src/realtime/delivery/message.js';
import { createNodeCalls } from '../../../../src/realtime/node-calls.js';
import { createTestClock } from '../../../support/clock.js';

const user = withKey({ site: '', userId: 'user' });
const other = withKey({ site: '', userId: 'other' });

/** Messages of a recipient collide often enough for a leader. @param by the other node */
async function collide(leaders: Leaders, recipient: KeyedRecipient, by: string): Promise<void> {
  await leaders.noteTaken(recipient, by);
  await leaders.noteTaken(recipient, by);
}

/** Two nodes on a bus in memory, of which the first leads the user. @param holders nodes with sockets of each recipient */
async function createNodes({ losesAnswers = false, isFailing = false, holders = [] as string[] } = {}) {
  const clock = createTestClock();
  const listeners = new Map<string, (message: unknown) => void>();
  const stored: IdentifiedMessage[] = [];
  const warnings: unknown[][] = [];
  const logger = { warn: (...line: unknown[]) => void warnings.push(line) };
  const create = (nodeId: string) => {
    const bus: Bus = {
      ...silentBus,
      publishTo(to, topic, message) {
        if (losesAnswers && to === 'b') return;
        const text = JSON.stringify(message);
        queueMicrotask(() => listeners.get(`${to} ${topic}`)?.(JSON.parse(text)));
      },
      subscribe: (topic, listener) => void listeners.set(`${nodeId} ${topic}`, listener),
    };
    const leaders = new Leaders({ nodeId, holdersOf: async () => holders, clock, logger });
    const store = async (message: IdentifiedMessage) => {
      if (isFailing) throw new Error('the database is away');
      stored.push(message);
      return { position: stored.length, createdAt: clock.now(), isHeld: null };
    };
    return {
      leaders,
      forwarder: new Forwarder({ nodeCalls: createNodeCalls({ bus, clock, nodeId }), leaders, store }),
    };
  };
  const [, { leaders, forwarder }] = [create('a'), create('b')];
  await collide(leaders, user, 'a');
  const forward = (message: IdentifiedMessage) => forwarder.forward({ leader: 'a', message });
  return { clock, stored, leaders, forward, warnings };
}

const message: IdentifiedMessage = {
  id: 'id-1',
  recipient: { site: '', userId: 'user' },
  namespace: '/v1/shared',
  event: 'm',
  args: [{ n: 1 }, null],
  ttlMs: 5,
  isResync: true,
  keepsReceipt: true,
  requestId: 'r',
  traceparent: 't',
  origin: { node: 'b', key: 'k' },
  push: { title: 't', body: 'b', afterMs: 1 },
};

test('the leader stores the message as it was sent', async () => {
  const { clock, stored, forward } = await createNodes();
  expect(await forward(message)).toEqual({ position: 1, createdAt: clock.now(), isHeld: null });
  expect(stored).toEqual([message]);
});

test('messages of one turn are one call, and keep their order', async () => {
  const { stored, forward } = await createNodes();
  const messages = Array.from({ length: 10 }, (_, n) => ({ ...message, id: `id-${n}` }));
  const places = await Promise.all(messages.map(forward));
  expect(places.map((place) => place?.position)).toEqual(messages.map((_message, index) => index + 1));
  expect(stored.map(({ id }) => id)).toEqual(messages.map(({ id }) => id));
});

test('a message that the leader cannot store fails', async () => {
  const { forward } = await createNodes({ isFailing: true });
  await expect(forward(message)).rejects.toThrow('UNAVAILABLE');
});

test('a leader that does not respond is none for a minute, and the log has it once', async () => {
  const { clock, stored, leaders, forward, warnings } = await createNodes({ losesAnswers: true });
  const forwarded = forward(message);
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  expect(stored).toHaveLength(1);
  clock.advance(1000);
  expect(await forwarded).toBeUndefined();
  const line = [{ leader: 'a', messages: 1 }, 'delivery: a node did not respond; storing its messages here'];
  expect(warnings).toEqual([line]);
  await collide(leaders, user, 'a');
  expect(leaders.of(user.key)).toBeUndefined();
  clock.advance(60_000);
  await collide(leaders, user, 'a');
  expect(leaders.of(user.key)).toBe('a');
});

test('messages that wait for a silent leader do not wait as long again', async () => {
  const { clock, stored, forward } = await createNodes({ losesAnswers: true });
  const first = forward(message);
  await new Promise(setImmediate);
  const second = forward({ ...message, id: 'id-2' });
  clock.advance(1000);
  expect([await first, await second]).toEqual([undefined, undefined]);
  expect(stored.map(({ id }) => id)).toEqual(['id-1']);
});

test('large messages, and those after them, are not forwarded', async () => {
  const { stored, forward } = await createNodes();
  const messages = [1000, 60_000, 70_000, 1000].map((length, n) => ({
    ...message,
    id: `id-${n}`,
    args: ['x'.repeat(length)],
  }));
  const places = await Promise.all(messages.map(forward));
  expect(places.map((place) => place?.position)).toEqual([1, 2, undefined, undefined]);
  expect(stored.map(({ id }) => id)).toEqual(['id-0', 'id-1']);
});

test('messages that collide now and then get no leader', async () => {
  const { clock, leaders } = await createNodes();
  for (let collision = 0; collision < 3; collision += 1) {
    await leaders.noteTaken(other, 'a');
    expect(leaders.of(other.key)).toBeUndefined();
    clock.advance(51);
  }
  await leaders.noteTaken(other, 'a');
  clock.advance(50);
  await leaders.noteTaken(other, 'a');
  expect(leaders.of(other.key)).toBe('a');
});

test('without sockets a node with a lower id is the leader, for five seconds after a collision', async () => {
  const { clock, leaders } = await createNodes();
  await collide(leaders, other, 'c');
  expect([leaders.of(user.key), leaders.of(other.key)]).toEqual(['a', undefined]);
  clock.advance(5000);
  expect(leaders.of(user.key)).toBeUndefined();
});

test('the lowest node with sockets is the leader, whichever nodes collide', async () => {
  expect((await createNodes({ holders: ['b'] })).leaders.of(user.key)).toBeUndefined();
  expect((await createNodes({ holders: ['d', 'c'] })).leaders.of(user.key)).toBe('c');
});

test('a node stops forwarding when it is the one with sockets', async () => {
  const holders: string[] = [];
  const { leaders } = await createNodes({ holders });
  holders.push('b');
  await collide(leaders, user, 'a');
  expect(leaders.of(user.key)).toBeUndefined();
});

test('a node with sockets that does not respond is no leader', async () => {
  const { leaders } = await createNodes({ holders: ['c', 'd'] });
  leaders.noteSilent('c', 1);
  await collide(leaders, user, 'a');
  expect(leaders.of(user.key)).toBe('d');
});

test('a forwarded message goes on to a node with a lower id only, so nodes that disagree do not send it in circles', async () => {
  const holders = ['a'];
  const { leaders } = await createNodes({ holders });
  expect(leaders.ofForwarded(user.key)).toBe('a');
  holders[0] = 'c';
  await collide(leaders, user, 'a');
  expect([leaders.of(user.key), leaders.ofForwarded(user.key)]).toEqual(['c', undefined]);
});
