import { Types } from 'mongoose';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { environment as settings } from '../../src/config.js';
import type { TestClient } from '../support/client.js';
import { createTestClock } from '../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../support/environment.js';
import type { Document, MongoProxy } from '../support/mongo-proxy.js';
import { createGate } from './chat/shared/two-clocks.js';

const { EVENT_TIMEOUT_MS } = settings.parse({});
/** How long an event waits for others. */
const TURN_WAIT_MS = 0.75 * EVENT_TIMEOUT_MS;

const clock = createTestClock();
let proxy: MongoProxy;
let environment: TestEnvironment;

beforeAll(async () => {
  const env = { EVENT_TIMEOUT_MS: String(EVENT_TIMEOUT_MS) };
  environment = await createTestEnvironment({ proxyOptions: 'directConnection=true', overrides: { clock }, env });
  proxy = environment.proxy();
});
afterAll(() => environment.close());
afterEach(() => {
  proxy.rules = {};
});

/** A kind of message: how it is said, and by which command it is stored. */
interface Kind {
  readonly namespace: string;
  /** Makes a place to talk in. @returns says something there */
  begin(ann: string, bob: string, client: TestClient): Promise<(text: string) => Promise<{ success: boolean }>>;
  isWrite(command: Document): boolean;
  stored(): Promise<string[]>;
}

const kinds: Record<string, Kind> = {
  'a conversation': {
    namespace: '/v1/conversation',
    async begin(_ann, bob, client) {
      const made = dataOf(await client.ask('add_conversation', { users: [bob], channel_id: 'general' }));
      return (data) => client.ask('message', { conversation_id: made.conversation._id, data });
    },
    isWrite: (command) => 'commitTransaction' in command,
    stored: async () => (await environment.models.Message.find().sort({ _id: 1 }).lean()).map(({ data }) => data),
  },
  'the support chat': {
    namespace: '/',
    async begin(_ann, bob, client) {
      const { _id: conversationId } = dataOf(await client.ask('create_conversation', { participants: [bob] }));
      return (content) => client.ask('send_message', { conversationId, content });
    },
    isWrite: (command) => command['insert'] === 'support.messages',
    stored: async () =>
      (await environment.models.SupportMessage.find().sort({ position: 1 }).lean()).map(({ content }) => content),
  },
  'the community chat': {
    namespace: '/',
    async begin(ann, bob, client) {
      const participants = [ann, bob].map((id) => new Types.ObjectId(id));
      const { _id } = await environment.models.Chat.create({ participants, type: 'direct' });
      return (content) => client.ask('chat:send_message', { chatId: String(_id), content });
    },
    isWrite: (command) => command['insert'] === 'community.messages',
    stored: async () =>
      (await environment.models.ChatMessage.find().sort({ position: 1 }).lean()).map(({ content }) => content),
  },
};

test.each(Object.entries(kinds))(
  'a message of %s that waits too long for the one before is refused and not stored',
  async (_name, kind) => {
    const [ann, bob, cleo] = await environment.people('Ann', 'Bob', 'Cleo');
    const client = await environment.open(ann, { namespace: kind.namespace });
    const [say, sayElsewhere] = [await kind.begin(ann.id, bob.id, client), await kind.begin(ann.id, cleo.id, client)];
    const gate = createGate();
    let isHeld = false;
    proxy.rules.onCommand = async (command) => {
      if (!kind.isWrite(command) || isHeld) return;
      isHeld = true;
      await gate.wait();
    };
    const first = say('first');
    await gate.arrived;
    const second = say('second');
    // It takes the same path as the second, after it, and does not wait.
    expect((await sayElsewhere('barrier')).success).toBe(true);
    clock.advance(TURN_WAIT_MS);
    const refused = await second;
    expect(JSON.stringify(refused)).toContain('UNAVAILABLE');
    gate.open();
    expect((await first).success).toBe(true);
    expect((await say('third')).success).toBe(true);
    expect((await kind.stored()).sort()).toEqual(['barrier', 'first', 'third']);
  },
);

test('by default an event waits longer than each wait for the database', () => {
  const { MONGODB_SELECTION_TIMEOUT_MS, MONGODB_TIMEOUT_MS } = settings.parse({});
  expect(EVENT_TIMEOUT_MS).toBeGreaterThan(MONGODB_SELECTION_TIMEOUT_MS);
  expect(EVENT_TIMEOUT_MS).toBeGreaterThan(MONGODB_TIMEOUT_MS);
  // What stands behind an event that waits for an election must not be refused before that one is.
  expect(TURN_WAIT_MS).toBeGreaterThanOrEqual(MONGODB_SELECTION_TIMEOUT_MS);
});
