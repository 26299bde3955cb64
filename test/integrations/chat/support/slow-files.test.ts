import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, dataOf, type TestEnvironment, type TestUser } from '../../../support/environment.js';
import { signToken } from '../../../support/gateway.js';
import { until } from '../../../support/until.js';
import { addConversation, openChat } from './chat.js';

const clock = createTestClock();
const FILE_BYTES = 1_000_000;
const WINDOW_MS = 5000;
let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({ overrides: { clock }, env: { SOCKET_MESSAGE_MAX: '100000' } });
});
afterAll(() => environment.close());

/** A client that says exactly what it is told, and is as slow as it likes within a frame. */
async function openSlow(user: TestUser) {
  const [gateway] = environment.nodes;
  const socket = connectTcp(gateway?.port ?? 0, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const hears = (text: string) => until(() => heard.includes(text) || socket.destroyed);
  socket.write(
    [
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1',
      'Host: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket',
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    ].join('\r\n'),
  );
  await hears('"sid"');
  socket.write(textFrame(`40${JSON.stringify({ token: signToken({ uid: user.id }) })}`));
  await hears('40{"sid"');
  return {
    socket,
    heard: () => heard,
    hears,
    /** Announces a file and begins it. */
    begin: (firstBytes = 10) => {
      socket.write(textFrame('451-["file_upload",{"_placeholder":true,"num":0}]'));
      const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
      header.writeUInt32BE(FILE_BYTES, 6);
      socket.write(Buffer.concat([header, Buffer.alloc(firstBytes)]));
    },
    /** Goes on with it. */
    send: (bytes: number) => void socket.write(Buffer.alloc(bytes)),
  };
}

type SlowClient = Awaited<ReturnType<typeof openSlow>>;

/** One frame of text, masked with zeros. */
function textFrame(text: string): Buffer {
  const bytes = Buffer.from(text);
  const header = Buffer.from([0x81, 0xfe, 0, 0, 0, 0, 0, 0]);
  header.writeUInt16BE(bytes.length, 2);
  return Buffer.concat([header, bytes]);
}

/** Resolves when the gateway has read everything sent to it before. */
async function settle(): Promise<void> {
  const [ann] = await environment.people('Ann');
  const client = await openChat(environment, ann);
  dataOf(await client.ask('get_conversations', {}));
  client.close();
}

test("one person's slow files on many connections delay no others", async () => {
  const [mallory, bob] = await environment.people('Mallory', 'Bob');
  const held: SlowClient[] = [];
  for (let count = 0; count < 12; count += 1) held.push(await openSlow(mallory));
  for (const slow of held) slow.begin();
  await settle();
  const client = await openChat(environment, bob);
  const conversationId = await addConversation(environment, [bob]);
  const file = await client.ask('file_upload', Buffer.alloc(FILE_BYTES), { conversationId, fileName: 'x' });
  expect(dataOf(file).fileSize).toBe(FILE_BYTES);
  expect(held.filter(isTurnedAway).length).toBe(0);
});

test('a slow upload gives way to a waiting one, a fast one does not', async () => {
  const [bob, fast, ...slow] = await environment.people('Bob', 'Fast', 'S1', 'S2', 'S3', 'S4');
  const quick = await openSlow(fast);
  quick.begin();
  await settle();
  const held: SlowClient[] = [];
  for (const user of [...slow, ...slow].slice(0, 7)) {
    const client = await openSlow(user as TestUser);
    client.begin();
    held.push(client);
    await settle();
  }
  quick.send(FILE_BYTES / 2);
  await settle();
  // No upload is waiting yet, so none is ended.
  clock.advance(WINDOW_MS);
  const client = await openChat(environment, bob);
  const conversationId = await addConversation(environment, [bob]);
  expect([quick, ...held].filter(isTurnedAway).length).toBe(0);

  const answer = client.ask('file_upload', Buffer.alloc(FILE_BYTES), { conversationId, fileName: 'x' });
  const [first, ...others] = held;
  await first?.hears('message_error');
  expect(first?.heard()).toContain('"code":"UNAVAILABLE","event":"file_upload","retryAfterMs":1000');
  clock.advance(1000);
  expect(dataOf(await answer).fileSize).toBe(FILE_BYTES);
  await until(() => first?.socket.destroyed === true);
  expect([quick, ...others].filter(isTurnedAway).length).toBe(0);
  // The quick one goes on to its end.
  quick.send(FILE_BYTES / 2 - 10);
  await settle();
  expect(quick.heard()).not.toContain('message_error');
  expect(await storedBy(fast)).toBe(1);
});

const isTurnedAway = ({ socket, heard }: SlowClient): boolean => socket.destroyed || heard().includes('message_error');

const storedBy = async ({ id }: TestUser): Promise<number> => {
  const files = environment.models.User.db.collection('support.files.files');
  await until(async () => (await files.countDocuments({ 'metadata.owner.id': id })) > 0);
  return files.countDocuments({ 'metadata.owner.id': id });
};
