import { randomUUID } from 'node:crypto';
import { Manager } from 'socket.io-client';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { connect } from '../support/client.js';
import { signToken, startGateway, type TestGateway } from '../support/gateway.js';
import { type Line, openLine, textFrame, upgradeRequest } from '../support/line.js';
import { until } from '../support/until.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ PRESENCE_GRACE_MS: '0' });
});
afterAll(() => gateway.close());

const NAMESPACE = '/v1/shared';

const presenceOf = async (userId: string) => (await gateway.call('GET', `/users/${userId}/presence`)).json.data;

const connectFrame = (uid: string, namespace = NAMESPACE): string =>
  `40${namespace},${JSON.stringify({ token: signToken({ uid }) })}`;
const DISCONNECT = `41${NAMESPACE}`;

/** Sends the frames in one piece, so that the gateway has read all of them before it can answer the first. */
const sendTogether = (line: Line, frames: readonly string[]): void =>
  void line.socket.write(Buffer.concat(frames.map(textFrame)));

/** A websocket that is in the namespace `/v1/lead-finder`, and in no other. */
async function openElsewhere(): Promise<Line> {
  const line = await openLine(gateway);
  await line.ask(upgradeRequest(''), /"sid":/);
  await line.ask(textFrame('40/v1/lead-finder,'), /40\/v1\/lead-finder/);
  return line;
}

/** All frames of the namespace so far. The answer to an event of another namespace shows that no more are coming. */
async function framesOf(line: Line): Promise<string[]> {
  const join = '42/v1/lead-finder,7["join",{"scraper_id":"0123456789abcdef"}]';
  sendTogether(line, [join]);
  await until(() => line.text().includes('43/v1/lead-finder,7[') || line.socket.destroyed);
  expect(line.socket.destroyed).toBe(false);
  return line.text().match(/4\d\/v1\/shared,[^\x80-\xff]*/g) ?? [];
}

test.each([
  ['in one tick', async () => undefined],
  ['with turns of the event loop in between', () => new Promise((resolve) => setImmediate(resolve))],
])('a client that connects, disconnects and connects %s is connected once', async (_name, pause) => {
  const userId = randomUUID();
  const manager = new Manager(gateway.url, { transports: ['websocket'], reconnection: false });
  onTestFinished(() => manager._close());
  const other = manager.socket('/v1/lead-finder').connect();
  await new Promise((resolve) => other.once('connect', () => resolve(undefined)));

  const socket = manager.socket(NAMESPACE, { auth: { token: signToken({ uid: userId }) } });
  const heard: unknown[] = [];
  socket.on('news', (data) => heard.push(data));
  socket.on('connect_error', (error) => heard.push(error.message));
  for (let round = 0; round < 3; round += 1) {
    socket.connect();
    await pause();
    socket.disconnect();
    await pause();
  }
  socket.connect();
  await until(() => socket.connected);
  await gateway.call('POST', `/emit/${userId}/news`, { n: 1 });
  expect(await socket.emitWithAck('join', {})).toMatchObject({ success: true });
  expect(heard).toEqual([{ n: 1 }]);
  expect(await presenceOf(userId)).toMatchObject({ online: true, connections: 1 });
  expect(other.connected).toBe(true);
  socket.disconnect();
  await until(async () => (await presenceOf(userId)).online === false);
});

test('a second CONNECT while the first is pending gets its answer', async () => {
  const userId = randomUUID();
  const line = await openElsewhere();
  const frame = connectFrame(userId);
  sendTogether(line, [frame, frame, frame]);
  await until(() => line.text().includes('40/v1/shared'));
  expect(await framesOf(line)).toEqual([expect.stringMatching(/^40\/v1\/shared,\{"sid":/)]);
  expect(await presenceOf(userId)).toMatchObject({ connections: 1 });
  sendTogether(line, [DISCONNECT]);
  await until(async () => (await presenceOf(userId)).online === false);
});

test('refused CONNECTs with the same credentials get one refusal', async () => {
  const line = await openElsewhere();
  const frame = '40/v1/shared,{"token":"garbage"}';
  sendTogether(line, [frame, frame]);
  await until(() => line.text().includes('44/v1/shared'));
  expect(await framesOf(line)).toEqual([expect.stringMatching(/^44\/v1\/shared,.*INVALID_TOKEN/)]);
});

test('of CONNECTs with several credentials the last one wins', async () => {
  const [first, second, last] = [randomUUID(), randomUUID(), randomUUID()];
  const line = await openElsewhere();
  sendTogether(line, [
    connectFrame(first),
    connectFrame(second),
    '40/v1/shared,{"token":"garbage"}',
    connectFrame(last),
  ]);
  await until(() => line.text().includes('40/v1/shared'));
  await gateway.call('POST', `/emit/${last}/news`, {});
  expect(await framesOf(line)).toEqual([
    expect.stringMatching(/^40\/v1\/shared,\{"sid":/),
    expect.stringMatching(/^42\/v1\/shared,\["news"/),
  ]);
  expect(await presenceOf(first)).toMatchObject({ online: false });
  expect(await presenceOf(second)).toMatchObject({ online: false });
  expect(await presenceOf(last)).toMatchObject({ connections: 1 });
});

test('a disconnect during a pending CONNECT leaves no state, and keeps the connection', async () => {
  const userId = randomUUID();
  const line = await openElsewhere();
  sendTogether(line, [connectFrame(userId), DISCONNECT]);
  expect(await framesOf(line)).toEqual([]);
  expect(await presenceOf(userId)).toMatchObject({ online: false, connections: 0 });
  expect((await gateway.call('POST', `/emit/${userId}/news`, {})).json.data).toEqual({ sockets: 0 });

  sendTogether(line, [connectFrame(userId), DISCONNECT, connectFrame(userId)]);
  await until(() => line.text().includes('40/v1/shared'));
  expect(await presenceOf(userId)).toMatchObject({ connections: 1 });
  sendTogether(line, [DISCONNECT, connectFrame(userId), DISCONNECT]);
  await until(async () => (await presenceOf(userId)).online === false);
});

test('a CONNECT of a client that missed the reply starts over', async () => {
  const userId = randomUUID();
  const line = await openElsewhere();
  const answer = /40\/v1\/shared,\{"sid":"([^"]+)"/g;
  const frame = connectFrame(userId);
  sendTogether(line, [frame]);
  await until(() => line.text().match(answer)?.length === 1);
  sendTogether(line, [frame]);
  await until(() => line.text().match(answer)?.length === 2);
  const ids = [...line.text().matchAll(answer)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(2);
  await gateway.call('POST', `/emit/${userId}/news`, {});
  const events = (await framesOf(line)).filter((text) => text.startsWith('42'));
  expect(events).toEqual([expect.stringContaining('["news"')]);
  expect(await presenceOf(userId)).toMatchObject({ connections: 1 });
});

test.each(['/v1/none', '/V1/shared', '/__proto__', '/constructor', '//', '/v1/shared/', `/${'x'.repeat(3000)}`])(
  'a namespace that does not exist is NOT_FOUND: %.20s',
  async (namespace) => {
    const line = await openElsewhere();
    sendTogether(line, [`40${namespace},{"token":"x"}`]);
    const refusal = '{"message":"NOT_FOUND","data":{"errno":404,"message":"NOT_FOUND"}}';
    await until(() => line.text().includes(`44${namespace},${refusal}`) || line.socket.destroyed);
    expect(line.socket.destroyed).toBe(false);
  },
);

test('a client of an unknown namespace gets the code and data', async () => {
  await expect(connect(gateway, { namespace: '/v1/none' })).rejects.toMatchObject({
    message: 'NOT_FOUND',
    data: { errno: 404, message: 'NOT_FOUND' },
  });
});
