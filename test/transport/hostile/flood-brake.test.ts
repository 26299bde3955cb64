import { expect, test } from 'vitest';
import { signToken } from '../../support/gateway.js';
import { useFloodTarget } from './flood-target.js';
import { enterRaw } from './raw-connection.js';

/** Events that are no flood whatever a client sends. */
const limitless = useFloodTarget({ EVENT_LIMIT: '10000000' });
const target = useFloodTarget({ SOCKET_TRANSPORTS: 'websocket,polling' });

async function floods(of = target): Promise<number> {
  const metrics = await of().gateway.ask('GET', '/metrics');
  return Number(/^gateway_floods_total (\d+)$/m.exec(metrics)?.[1]);
}

test('a websocket with many events above the limit is read slowly, and each is answered once', async () => {
  const before = await floods();
  const connection = await enterRaw(target().gateway, { claims: { uid: 'flooder' } });
  const count = 1500;
  for (let sent = 0; sent < count; sent += 1) connection.send(`42/v1/shared,${sent}["unknown"]`);
  const answered = new Set<string>();
  while (answered.size < count) {
    const frame = await connection.next();
    if (frame !== '2') answered.add(String(frame).split('[')[0] ?? '');
  }
  expect((await floods()) - before).toBeGreaterThan(0);
  connection.close();
});

test('many websockets of one user with a few events each above the limit are read slowly', async () => {
  const before = await floods();
  const connections = await Promise.all(
    Array.from({ length: 20 }, () => enterRaw(target().gateway, { claims: { uid: 'flooder-many' } })),
  );
  for (const connection of connections) {
    for (let sent = 0; sent < 400; sent += 1) connection.send('42/v1/shared,["unknown"]');
  }
  // Those that the gateway reads first can be through before the user has sent too many.
  await expect.poll(async () => (await floods()) - before).toBeGreaterThan(connections.length / 2);
  for (const connection of connections) connection.close();
});

test.each([
  ['acknowledgements that were not asked for', (sent: number) => `43/v1/shared,${sent}[]`],
  ['CONNECTs of unknown namespaces', (sent: number) => `40/nowhere/${sent},{}`],
  ['packets without a meaning', () => '6'],
  ['attachments that no event takes', (sent: number) => `451-/v1/shared,${sent}["join",{"_placeholder":true,"num":0}]`],
])('a websocket with %s is read slowly', async (_, frameOf) => {
  const before = await floods();
  const connection = await enterRaw(target().gateway, { claims: { uid: 'flooder-2' } });
  for (let sent = 0; sent < 2000; sent += 1) {
    const frame = frameOf(sent);
    connection.send(frame);
    if (frame.startsWith('45')) connection.send(Buffer.from('x'));
  }
  await expect.poll(floods).toBeGreaterThan(before);
  connection.close();
});

test('a client that polls and sends many events above the limit is read slowly, and served after that', async () => {
  const before = await floods();
  const { url } = target().gateway;
  const ask = async (query: string, body?: string): Promise<string> => {
    const init = body === undefined ? {} : { method: 'POST', body };
    return (await fetch(`${url}/socket.io/?EIO=4&transport=polling${query}`, init)).text();
  };
  const { sid } = JSON.parse((await ask('')).slice(1)) as { sid: string };
  const token = signToken({ uid: 'flooder-3' });
  expect(await ask(`&sid=${sid}`, `40/v1/shared,${JSON.stringify({ token })}`)).toBe('ok');
  expect(await ask(`&sid=${sid}`)).toContain('40/v1/shared,');
  for (let sent = 0; sent < 4; sent += 1) {
    const events = Array.from({ length: 500 }, () => '42/v1/shared,["unknown"]');
    expect(await ask(`&sid=${sid}`, events.join('\u001e'))).toBe('ok');
  }
  expect((await floods()) - before).toBeGreaterThan(0);
  expect(await ask(`&sid=${sid}`, '42/v1/shared,7["unknown"]')).toBe('ok');
  expect(await ask(`&sid=${sid}`)).toContain('43/v1/shared,7[');
});

test('a client that is read slowly can be disconnected', async () => {
  const before = await floods();
  const connection = await enterRaw(target().gateway, { claims: { uid: 'flooder-4' } });
  for (let sent = 0; sent < 20_000; sent += 1) connection.send(`42/v1/shared,["unknown",${sent}]`);
  await expect.poll(floods).toBeGreaterThan(before);
  expect(await target().gateway.ask('POST', '/users/flooder-4/disconnect')).toContain('"success":true');
  await connection.closed;
});

test('a client with as many events within its limit is no flood', async () => {
  const connection = await enterRaw(limitless().gateway, { claims: { uid: 'busy' } });
  for (let sent = 0; sent < 50; sent += 1) {
    for (let n = 0; n < 90; n += 1) connection.send('42/v1/shared,["unknown"]');
    connection.send(`42/v1/shared,${sent}["unknown"]`);
    let answer: string | undefined;
    do answer = await connection.next();
    while (answer?.startsWith('43') === false);
    expect(answer).toContain(`43/v1/shared,${sent}[`);
  }
  expect(await floods(limitless)).toBe(0);
  connection.close();
});
