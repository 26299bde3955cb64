import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { signToken, startGateway } from '../support/gateway.js';
import { until } from '../support/until.js';

/** A client that goes away for good when the server ends its websocket without a code, as that of C++. */
const NO_CODE = 1005;
const GOING_AWAY = 1001;

async function dial(env: Readonly<Record<string, string>>, uid?: string) {
  const gateway = await startGateway(env);
  onTestFinished(() => gateway.close());
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  onTestFinished(() => socket.terminate());
  const code = once(socket, 'close').then(([value]) => value as number);
  await once(socket, 'message');
  if (uid !== undefined) {
    socket.send(`40/v1/shared,${JSON.stringify({ token: signToken({ uid }) })}`);
    await once(socket, 'message');
  }
  return { gateway, socket, code };
}

test('a client that missed a heartbeat as its device slept shall come back', async () => {
  const { code } = await dial({ PING_INTERVAL_MS: '100', PING_TIMEOUT_MS: '100' });
  expect(await code).toBe(GOING_AWAY);
});

test('a client that took too long to say who it is shall come back', async () => {
  const { code } = await dial({ CONNECT_TIMEOUT_MS: '100' });
  expect(await code).toBe(GOING_AWAY);
});

test('a user who is disconnected shall not, and a client that ends without a code is answered without one', async () => {
  const kicked = await dial({}, 'kicked');
  await until(async () => (await kicked.gateway.call('GET', '/users/kicked/presence')).json.data.online === true);
  await kicked.gateway.call('POST', '/users/kicked/disconnect');
  expect(await kicked.code).toBe(NO_CODE);

  const leaving = await dial({}, 'leaving');
  leaving.socket.close();
  expect(await leaving.code).toBe(NO_CODE);
});
