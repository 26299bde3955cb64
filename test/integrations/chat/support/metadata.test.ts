import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestEnvironment, dataOf, type TestEnvironment } from '../../../support/environment.js';
import { talk } from './chat.js';

let environment: TestEnvironment;
let parts: Awaited<ReturnType<typeof talk>>;

beforeAll(async () => {
  environment = await createTestEnvironment({ env: { MESSAGE_LIMIT: '10000' } });
  parts = await talk(environment);
});
afterAll(() => environment.close());

/** Metadata as a client's JSON would hold it, `__proto__` included. */
const withField = (name: string, value: unknown): Record<string, unknown> =>
  JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`);

const send = (metadata: unknown) =>
  parts.a.ask('send_message', { conversationId: parts.conversationId, content: 'with metadata', metadata });

test.each([
  ['holds NUL', 'a\0b'],
  ['is NUL', '\0'],
  ['begins a reference to another document', '$ref'],
  ['names the other document', '$id'],
  ['marks a value of BSON', '_bsontype'],
  ['is no well-formed Unicode', 'a\ud800'],
  ['is empty', ''],
  ['is long', 'x'.repeat(65)],
])('refuses a key that %s', async (_, name) => {
  expect(await send(withField(name, 1))).toMatchObject({
    success: false,
    code: 'VALIDATION_ERROR',
    details: [{ path: 'metadata', message: expect.stringContaining('keys') }],
  });
});

test('is the same for those who hear of it and for those who read it, with a half of an emoji too', async () => {
  const message = dataOf(await send({ half: 'a\ud83d', pair: '🙂' }));
  expect(message.metadata).toEqual({ half: 'a\ufffd', pair: '🙂' });
  const page = dataOf(await parts.b.ask('get_messages', { conversationId: parts.conversationId, limit: 1 }));
  expect(page.messages[0]).toEqual(message);
});

test.each(['a.b', '$set', 'ключ', '🙂', '__proto__', 'constructor', 'toString', '_id', 'a$', ' ', 'x'.repeat(64)])(
  'keeps the key %j as it is',
  async (name) => {
    for (const value of ['text', 'with NUL \0', -0.5, Number.MAX_SAFE_INTEGER, 2 ** 60, true, null]) {
      const metadata = withField(name, value);
      const message = dataOf(await send(metadata));
      expect(JSON.stringify(message.metadata)).toBe(JSON.stringify(metadata));
      const page = dataOf(await parts.b.ask('get_messages', { conversationId: parts.conversationId, limit: 1 }));
      expect(JSON.stringify(page.messages[0].metadata)).toBe(JSON.stringify(metadata));
    }
  },
);
