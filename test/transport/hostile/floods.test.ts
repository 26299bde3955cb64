import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { signToken } from '../../support/gateway.js';
import { until } from '../../support/until.js';
import { sendUnread, useFloodTarget } from './flood-target.js';
import { enterRaw, openRaw, type RawConnection } from './raw-connection.js';

/** Senders can have addresses of their own. */
const target = useFloodTarget({ TRUST_PROXY: '1', EVENT_LIMIT: '10' });
const addressOf = (sender: number) => ({ 'x-forwarded-for': `203.0.113.${sender + 1}` });

/** Events of a burst: to keep 600 bytes of each would be more than {@link FloodTarget.expectBounded} allows. */
const BURST = 40_000;
/** Connections of a burst. What each of them sends is not enough to be read slowly. */
const SENDERS = 50;
const BURST_OF_ONE = BURST / SENDERS;

/** Takes frames until the gateway has closed the connection, or has answered this many times. */
async function answersOf(connection: RawConnection, count = Number.POSITIVE_INFINITY): Promise<string[]> {
  const answers: string[] = [];
  while (answers.length < count) {
    const frame = await connection.next();
    if (frame === undefined) break;
    if (frame !== '2') answers.push(frame);
  }
  return answers;
}

/** The connections of a burst, each of a user of its own: those of one user would be read slowly. */
const enterMany = (uid: string): Promise<RawConnection[]> =>
  Promise.all(
    Array.from({ length: SENDERS }, (_, sender) => enterRaw(target().gateway, { claims: { uid: `${uid}-${sender}` } })),
  );

const connectionsOf = async (namespace: string): Promise<number> => {
  const metrics = await target().gateway.ask('GET', '/metrics');
  return Number(new RegExp(`^gateway_connections\\{namespace="${namespace}"\\} (\\d+)$`, 'm').exec(metrics)?.[1] ?? 0);
};

describe('a burst of CONNECT', () => {
  test.each(['/v1/shared', '/v1/lead-finder'])('joins %s once at a time, within the limit', async (namespace) => {
    const connected = await connectionsOf(namespace);
    const connection = await openRaw(target().gateway);
    const frame = `40${namespace},${JSON.stringify({ token: signToken({ uid: 'attacker' }) })}`;
    for (let sent = 0; sent < 10_000; sent += 1) connection.send(frame);
    const answers = await answersOf(connection);
    expect(answers.filter((answer) => !answer.startsWith(`40${namespace},{"sid":`))).toEqual([]);
    expect(answers.length).toBeLessThanOrEqual(11);
    await until(async () => (await connectionsOf(namespace)) === connected);
    await target().expectBounded();
  });

  test('to namespaces that do not exist leaves no state', async () => {
    const connections = await Promise.all(
      Array.from({ length: SENDERS }, (_, sender) => openRaw(target().gateway, 'EIO=4', addressOf(sender))),
    );
    const sending = connections.map((connection) => {
      for (let sent = 0; sent < 200; sent += 1) connection.send(`40/nowhere/${sent},{"a":"${'x'.repeat(500)}"}`);
      return answersOf(connection, 200);
    });
    const answers = (await Promise.all(sending)).flat();
    expect(answers).toHaveLength(10_000);
    const refusal = '{"message":"NOT_FOUND","data":{"errno":404,"message":"NOT_FOUND"}}';
    expect(answers.filter((answer) => !answer.endsWith(refusal))).toEqual([]);
    await target().expectBounded();
    for (const connection of connections) connection.close();
  });

  test('with invalid tokens ends the connection and leaves no state', async () => {
    const refused = '44/v1/shared,{"message":"INVALID_TOKEN","data":{"errno":401,"message":"INVALID_TOKEN"}}';
    for (let opened = 0; opened < 100; opened += 1) {
      const connection = await openRaw(target().gateway);
      for (let sent = 0; sent < 10; sent += 1) {
        connection.send('40/v1/shared,{"token":"x.y.z"}');
        // One after the other: those that come too early are not looked at.
        expect(await connection.next()).toBe(refused);
      }
      await connection.closed;
    }
    await target().expectBounded();
  });

  test('with invalid tokens keeps a connection that is in a namespace', async () => {
    const connection = await enterRaw(target().gateway, { namespace: '/v1/lead-finder' });
    for (let sent = 0; sent < 20; sent += 1) {
      connection.send('40/v1/shared,{"token":"x.y.z"}');
      expect(await connection.next()).toMatch(sent < 10 ? /INVALID_TOKEN/ : /RATE_LIMITED/);
    }
    connection.send('42/v1/lead-finder,1["join",{"scraper_id":"0123456789abcdef"}]');
    expect(await connection.next()).toBe('43/v1/lead-finder,1[{"success":true,"message":"SUCCESS"}]');
    connection.close();
  });

  test('with as much as a client without a token may send leaves no state', async () => {
    const connections: RawConnection[] = [];
    for (let opened = 0; opened < 60; opened += 1) {
      const connection = await openRaw(target().gateway);
      connection.send(`40/v1/lead-finder,{"ballast":"${'b'.repeat(32_000)}"}`);
      connections.push(connection);
    }
    for (const connection of connections) {
      expect(await connection.next()).toMatch(/^40\/v1\/lead-finder,/);
    }
    await target().expectBounded();
    for (const connection of connections) connection.close();
  });
});

describe('a burst of events', () => {
  test('gets one answer each, and one error above the limit', async () => {
    const connections = await enterMany('attacker');
    const sending = connections.map(async (connection) => {
      for (let sent = 0; sent < BURST_OF_ONE; sent += 1)
        connection.send(`42/v1/shared,${sent}["unknown",{"n":${sent}}]`);
      const answers = await answersOf(connection, BURST_OF_ONE);
      expect(new Set(answers.map((answer) => answer.slice(0, answer.indexOf('[')))).size).toBe(BURST_OF_ONE);
      return answers;
    });
    const all = (await Promise.all(sending)).flat();
    const limited = all.filter((answer) => answer.includes('"message":"RATE_LIMITED"'));
    expect(limited.length).toBeGreaterThan(0.9 * BURST);
    const form =
      /^43\/v1\/shared,\d+\[\{"success":false,"message":"RATE_LIMITED","additional_info":\{"errno":429,"retryAfterMs":\d+\}\}\]$/;
    expect(limited.filter((answer) => !form.test(answer))).toEqual([]);
    await target().expectBounded();
    for (const connection of connections) connection.close();
  });

  test('of a megabyte each is bounded too', async () => {
    const connection = await enterRaw(target().gateway, { claims: { uid: 'attacker-2' } });
    const answers = answersOf(connection, 60);
    const data = JSON.stringify(Array(60_000).fill({ a: [] }));
    for (let sent = 0; sent < 60; sent += 1) connection.send(`42/v1/shared,${sent}["unknown",${data}]`);
    expect(await answers).toHaveLength(60);
    await target().expectBounded();
    connection.close();
  });

  test('on many connections of one user is one burst', async () => {
    const connections: RawConnection[] = [];
    for (let opened = 0; opened < 20; opened += 1) {
      connections.push(await enterRaw(target().gateway, { claims: { uid: 'attacker-3' } }));
    }
    const bursts = connections.map((connection) => {
      for (let sent = 0; sent < 500; sent += 1) connection.send(`42/v1/shared,${sent}["unknown"]`);
      return answersOf(connection, 500);
    });
    const all = (await Promise.all(bursts)).flat();
    expect(all).toHaveLength(10_000);
    expect(all.filter((answer) => answer.includes('RATE_LIMITED')).length).toBeGreaterThan(9000);
    for (const connection of connections) connection.close();
  });
});

describe('a burst of empty packets', () => {
  test('is ignored as unsolicited pongs and acknowledgements', async () => {
    const connections = await enterMany('attacker-4');
    for (const connection of connections) {
      for (let sent = 0; sent < BURST_OF_ONE / 2; sent += 1) {
        connection.send('3');
        connection.send(`43/v1/shared,${sent}[{}]`);
      }
      connection.send('42/v1/shared,1["join"]');
    }
    for (const connection of connections) {
      expect(await connection.next()).toBe('43/v1/shared,1[{"success":true,"message":"SUCCESS"}]');
    }
    await target().expectBounded();
    for (const connection of connections) connection.close();
  });

  test('is answered as pings of the WebSocket one by one, and ends the connection as many at once', async () => {
    const connection = await enterRaw(target().gateway, { claims: { uid: 'attacker-5' } });
    for (let sent = 0; sent < 100; sent += 1) {
      const answered = once(connection.socket, 'pong');
      connection.socket.ping('x');
      await answered;
    }
    for (let sent = 0; sent < BURST; sent += 1) connection.socket.ping('x');
    await connection.closed;
    await target().expectBounded();
  });
});

describe('a client that sends and never reads', () => {
  test('is closed for the refusals it does not take', async () => {
    const connection = await openRaw(target().gateway);
    const name = `/nowhere/${'n'.repeat(10_000)}`;
    await sendUnread(connection, 5000, () => connection.send(`40${name},{}`));
    await target().expectBounded();
    connection.socket.resume();
    await connection.closed;
  });
});

describe('many connections', () => {
  test('that are refused leave no state', async () => {
    for (let batch = 0; batch < 8; batch += 1) {
      const connections = await Promise.all(Array.from({ length: 100 }, () => openRaw(target().gateway)));
      for (const connection of connections) connection.send('40/v1/shared,{"token":"x"}');
      for (const connection of connections) {
        expect(await connection.next()).toContain('INVALID_TOKEN');
        connection.close();
        await connection.closed;
      }
    }
    await target().expectBounded();
  });

  test('that are cut off leave no state', async () => {
    const connected = await connectionsOf('/v1/shared');
    for (let batch = 0; batch < 6; batch += 1) {
      const connections = await Promise.all(
        Array.from({ length: 50 }, () => enterRaw(target().gateway, { claims: { uid: 'attacker-8' } })),
      );
      for (const connection of connections) {
        connection.send('451-/v1/shared,["join",{"_placeholder":true,"num":0}]');
        connection.close();
        await once(connection.socket, 'close').catch(() => undefined);
      }
    }
    await until(async () => (await connectionsOf('/v1/shared')) === connected);
    await target().expectBounded();
  });
});
