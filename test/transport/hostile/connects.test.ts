import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiSessions } from '../../../src/auth/api-session.js';
import { createLogger } from '../../../src/platform/logging/logger.js';
import { createTestClock } from '../../support/clock.js';
import { signToken, startGateway, type TestGateway } from '../../support/gateway.js';
import { enterRaw, openRaw } from './raw-connection.js';

const SENT = 60;
const ADDRESS_MAX = 40;
let calls = 0;
const website = createServer(({ headers }, response) => {
  calls += 1;
  if (headers.authorization?.endsWith(' reader') === true) response.end('["user_reader"]');
  else response.writeHead(422).end();
});
const lines: Record<string, unknown>[] = [];
const logger = createLogger(
  { level: 'warn', isPretty: false },
  { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
);
let gateway: TestGateway;
const clock = createTestClock();

beforeAll(async () => {
  await new Promise<void>((resolve) => website.listen(0, '127.0.0.1', resolve));
  const { port } = website.address() as AddressInfo;
  const site = {
    SITE_NAME: 'shop',
    AUTH_URL: `http://127.0.0.1:${port}/`,
    API_KEY: 'key-of-the-shop',
    USER_ROOM_PREFIX: 'user_',
  };
  gateway = await startGateway(
    { ...site, EVENT_LIMIT: '10000', REFUSED_CONNECTS_MAX: String(ADDRESS_MAX) },
    { logger, clock },
  );
});
afterAll(async () => {
  await gateway.close();
  website.close();
});

describe('CONNECTs that are refused on a connection that is somewhere', () => {
  test('ask a website ten times and log ten lines, regardless of their number', async () => {
    const connection = await enterRaw(gateway, { namespace: '/v1/lead-finder' });
    const answers: string[] = [];
    for (let sent = 0; sent < SENT; sent += 1) {
      connection.send(`40/shop,{"token":"wrong-${sent}"}`);
      answers.push((await connection.next()) ?? 'closed');
    }
    expect(calls).toBe(10);
    expect(answers.filter((answer) => answer.includes('RATE_LIMITED'))).toHaveLength(SENT - 10);
    connection.close();
  });

  test('of one address are limited over all of its connections, and their log lines', async () => {
    const answers: string[] = [];
    for (let opened = 0; opened < SENT; opened += 1) {
      const connection = await openRaw(gateway);
      connection.send(`40/shop,{"token":"another-${opened}"}`);
      answers.push((await connection.next()) ?? 'closed');
      connection.close();
    }
    expect(calls).toBe(ADDRESS_MAX);
    expect(answers.filter((answer) => answer.includes('RATE_LIMITED'))).toHaveLength(SENT + 10 - ADDRESS_MAX);
    expect(lines.filter(({ event }) => event === 'connection_failed')).toHaveLength(10);
  });
});

describe('CONNECTs of one user that are accepted', () => {
  const USER_MAX = 600;

  test('are limited over all connections and namespaces of a node, and do not count for others', async () => {
    // The refusals of the tests before are over.
    clock.advance(10_000);
    const namespaces = ['/v1/shared', '/v1/conversation'];
    const connections = [await openRaw(gateway), await openRaw(gateway)];
    const connect = async (index: number, uid: string): Promise<string> => {
      const connection = connections[index % 2];
      const namespace = namespaces[(index >> 1) % 2];
      connection?.send(`40${namespace},${JSON.stringify({ token: signToken({ uid }) })}`);
      const answer = (await connection?.next()) ?? 'closed';
      if (answer.startsWith('40')) connection?.send(`41${namespace},`);
      return answer.slice(0, 2);
    };
    const answers: string[] = [];
    for (let index = 0; index < USER_MAX + 4; index += 1) answers.push(await connect(index, 'tabs'));
    expect(answers.indexOf('44')).toBe(USER_MAX);
    expect(answers.slice(USER_MAX)).toEqual(['44', '44', '44', '44']);
    expect(await connect(0, 'other')).toBe('40');
    clock.advance(10_000);
    const later = await enterRaw(gateway, { claims: { uid: 'tabs' } });
    for (const connection of [...connections, later]) connection.close();
  });
});

describe('CONNECTs of one connection that are accepted', () => {
  const ACCEPTED_MAX = 600;
  const visitor = { uid: undefined, type: 'visitor', visitor_id: 'visitor-1', account_id: 'a', conversation_ids: [] };

  test.each([
    ['a visitor', '/', () => ({ token: signToken(visitor) })],
    ['a user of a website', '/shop', () => ({ token: 'reader' })],
    ['a client without a token', '/v1/lead-finder', () => ({})],
  ])('are limited: %s', async (_who, namespace, authOf) => {
    clock.advance(10_000);
    const connection = await enterRaw(gateway, { claims: { uid: 'elsewhere' } });
    const tail = namespace === '/' ? '' : `${namespace},`;
    const auth = JSON.stringify(authOf());
    /** The answer to a CONNECT; events may come before it. */
    const connect = async (): Promise<string> => {
      connection.send(`40${tail}${auth}`);
      for (;;) {
        const frame = (await connection.next()) ?? 'closed';
        if (!frame.startsWith('42')) return frame;
      }
    };
    let accepted = 0;
    let answer = await connect();
    while (answer.startsWith('40') && accepted <= ACCEPTED_MAX) {
      accepted += 1;
      connection.send(`41${tail}`);
      // A CONNECT that arrives before the DISCONNECT is handled would count as a replacement.
      connection.send('42/v1/shared,1["refresh_token",{}]');
      while ((await connection.next())?.startsWith('43') !== true);
      answer = await connect();
    }
    expect(accepted).toBe(ACCEPTED_MAX);
    expect(answer).toContain('RATE_LIMITED');
    connection.close();
  });
});

describe('the sessions of the API', () => {
  test('are looked up 32 at a time, and an unknown one once per second', async () => {
    const clock = createTestClock();
    let looks = 0;
    const waiting: (() => void)[] = [];
    const model = {
      findById: () => ({
        lean: () => {
          looks += 1;
          return new Promise<null>((resolve) => waiting.push(() => resolve(null)));
        },
      }),
    };
    const sessions = createApiSessions({ model, clock });
    const found = Promise.all(Array.from({ length: 100 }, (_, index) => sessions.findToken(`unknown-${index}`)));
    await Promise.resolve();
    expect(looks).toBe(32);
    while (waiting.length > 0) {
      for (const answer of waiting.splice(0)) answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await found).filter((token) => token !== undefined)).toEqual([]);
    expect(looks).toBe(100);
    await sessions.findToken('unknown-1');
    expect(looks).toBe(100);
    clock.advance(1000);
    void sessions.findToken('unknown-1');
    await Promise.resolve();
    expect(looks).toBe(101);
  });

  test('are looked up again after a database failure', async () => {
    let looks = 0;
    const model = {
      findById: () => ({
        lean: async () => {
          looks += 1;
          throw new Error('away');
        },
      }),
    };
    const sessions = createApiSessions({ model, clock: createTestClock() });
    for (let asked = 0; asked < 2; asked += 1) await expect(sessions.findToken('x')).rejects.toThrow('UNAVAILABLE');
    expect(looks).toBe(2);
  });
});
