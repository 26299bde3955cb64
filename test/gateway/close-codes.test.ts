import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { signToken, startGateway, type TestGateway } from '../support/gateway.js';
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

/** A client that polls by hand. Bodies hold packets, of which the first character is the type: 1 ends, 2 asks, 4 is a message, 6 nothing. */
async function poll(gateway: TestGateway, uid: string) {
  const url = `${gateway.url}/socket.io/?EIO=4&transport=polling`;
  const opened = await (await fetch(url)).text();
  const session = `${url}&sid=${JSON.parse(opened.slice(1)).sid}`;
  const next = async () => (await fetch(session)).text();
  await fetch(session, { method: 'POST', body: `40/v1/shared,${JSON.stringify({ token: signToken({ uid }) })}` });
  expect(await next()).toMatch(/^40/);
  return { session, next };
}

/** Reads until the session ends. @returns the last packet, and the answer to one more poll */
async function untilEnd({ session, next }: Awaited<ReturnType<typeof poll>>) {
  let last = '';
  for (;;) {
    const body = await next();
    if (body.startsWith('{')) return { last, status: (await fetch(session)).status };
    last = body.split('\u001e').at(-1) ?? '';
    if (last === '1') return { last, status: (await fetch(session)).status };
  }
}

const startPolling = async (env: Readonly<Record<string, string>> = {}): Promise<TestGateway> => {
  const gateway = await startGateway({ SOCKET_TRANSPORTS: 'websocket,polling', ...env });
  onTestFinished(() => gateway.close());
  return gateway;
};

// The client of Python takes a packet of type 1 for the wish of the server that it stays away.
test('a polling client that missed a heartbeat finds no session and comes back', async () => {
  const gateway = await startPolling({ PING_INTERVAL_MS: '5000', PING_TIMEOUT_MS: '100' });
  expect(await untilEnd(await poll(gateway, 'asleep'))).toEqual({ last: '6', status: 400 });
});

test('a polling client of a node that stops comes back', async () => {
  const gateway = await startPolling();
  const client = await poll(gateway, 'moved');
  const waiting = client.next();
  const closing = gateway.close();
  const bodies = await waiting;
  expect(bodies).toMatch(/server_draining/);
  const rest = client.next().catch(() => 'refused');
  expect((await rest).split('\u001e'), 'stays away').not.toContain('1');
  await closing;
});

test('a polling client that is disconnected stays away', async () => {
  const gateway = await startPolling();
  const client = await poll(gateway, 'kicked');
  const ended = untilEnd(client);
  await until(async () => (await gateway.call('GET', '/users/kicked/presence')).json.data.online === true);
  await gateway.call('POST', '/users/kicked/disconnect');
  expect(await ended).toMatchObject({ last: '1' });
});
