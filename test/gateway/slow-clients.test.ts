import { once } from 'node:events';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../support/client.js';
import { signToken, startGateway } from '../support/gateway.js';
import { openLines } from '../support/lines.js';
import { until } from '../support/until.js';

test('a client that does not read is closed, without delaying others', async () => {
  const gateway = await startGateway({ SOCKET_BUFFER_MAX: '300000' });
  const live = await openLines(gateway, '/live?kinds=slow');
  const quick = await connect(gateway, { claims: { uid: 'quick' } });
  const slow = new WebSocket(`${gateway.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  await once(slow, 'message');
  slow.send(`40/v1/shared,${JSON.stringify({ token: signToken({ uid: 'slow' }) })}`);
  await once(slow, 'message');
  slow.pause();

  const payload = 'x'.repeat(50_000);
  const closed = async () => /slow_clients_closed_total [1-9]/.test((await gateway.call('GET', '/metrics')).text);
  let sent = 0;
  // How much the kernel takes in between is its own affair.
  while (!(await closed())) {
    await gateway.call('POST', '/broadcast/flood', JSON.stringify(payload));
    expect(await quick.next('flood')).toEqual([payload]);
    sent += 1;
    expect(sent, 'a client that does not read is never closed').toBeLessThan(2000);
  }
  await until(async () => (await gateway.call('GET', '/users/slow/presence')).json.data.online === false);
  expect((await gateway.call('GET', '/users/quick/presence')).json.data.online).toBe(true);
  await live.has(1);
  expect(live.records).toMatchObject([{ kind: 'slow', userId: 'slow', namespace: '/v1/shared' }]);
  expect(live.records[0].bytes).toBeGreaterThan(0);
  const ended = once(slow, 'close');
  slow.resume();
  expect((await ended)[0], 'one that was only slow connects again').toBe(1001);
  quick.close();
  await gateway.close();
});
