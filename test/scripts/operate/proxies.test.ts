import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { environment as settings } from '../../../src/config.js';
import { connect } from '../../support/client.js';
import { createTestClock } from '../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import { API_KEY, signToken, type TestGateway } from '../../support/gateway.js';
import { ensureInstalled, programs } from '../../support/installed-program.js';
import { startProgram } from '../../support/program.js';
import { freePort } from '../../support/redis-server.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';
import { until } from '../../support/until.js';

const CONNECTIONS_MAX = 6;

/** How one of the files runs on this machine: on a free port, without rights, in a directory of its own. */
interface Proxy {
  readonly program: (typeof programs)['haproxy' | 'nginx'];
  readonly file: string;
  adapt(text: string, port: number, directory: string): string;
  argumentsFor(path: string, directory: string): string[];
}

const proxies: Record<string, Proxy> = {
  HAProxy: {
    program: programs.haproxy,
    file: 'haproxy.cfg',
    adapt: (text, port) => text.replace('bind :4000', `bind 127.0.0.1:${port}`).replace('maxconn 40000', 'maxconn 100'),
    argumentsFor: (path) => ['-f', path],
  },
  nginx: {
    program: programs.nginx,
    file: 'nginx.conf',
    adapt: (text, port, directory) =>
      text
        .replace('listen 4000;', `listen 127.0.0.1:${port};`)
        .replace(
          'http {',
          `http {\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${directory};`).join('\n')}`,
        ),
    argumentsFor: (path, directory) => [
      '-c',
      path,
      '-p',
      directory,
      '-g',
      `daemon off; master_process off; pid ${directory}/pid;`,
    ],
  },
};

const read = (name: string): Promise<string> =>
  readFile(new URL(`../../../scripts/operate/${name}`, import.meta.url), 'utf8');

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTestEnvironment({
    nodes: 2,
    env: { TRUST_PROXY: '1', ADDRESS_CONNECTIONS_MAX: String(CONNECTIONS_MAX) },
  });
});
afterAll(() => environment.close());

/** Starts a proxy in front of two nodes. @returns its address, in the form of a gateway, and its output */
async function start({ program, file, adapt, argumentsFor }: Proxy, nodes: readonly TestGateway[]) {
  await ensureInstalled(program);
  const [directory, port] = [await temporaryDirectory(), await freePort()];
  let text = adapt(await read(file), port, directory);
  for (const [index, node] of nodes.entries())
    text = text.replaceAll(` gateway-${index + 1}:4000`, ` 127.0.0.1:${node.port}`);
  const path = join(directory, file);
  await writeFile(path, text);
  const { ended, line } = startProgram(program.command, argumentsFor(path, directory), { cwd: directory });
  const url = `http://127.0.0.1:${port}`;
  const isUp = () =>
    fetch(`${url}/status`).then(
      ({ ok }) => ok,
      () => false,
    );
  const isGone = ended.then((code) => Promise.reject(new Error(`${program.command} ended with ${code}`)));
  isGone.catch(() => undefined);
  await Promise.race([until(isUp), isGone]);
  return { url, port, line };
}

describe.each(Object.entries(proxies))('%s', (_name, proxy) => {
  test('passes websockets and calls on, to any node', async () => {
    const { url } = await start(proxy, environment.nodes);
    const clients = await Promise.all(
      ['ann', 'bob', 'cid', 'dan'].map((uid) => connect({ url }, { namespace: '/v1/shared', claims: { uid } })),
    );
    for (const uid of ['ann', 'bob', 'cid', 'dan']) {
      const answer = await fetch(`${url}/emit/${uid}/hello`, {
        method: 'POST',
        headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' },
        body: JSON.stringify({ to: uid }),
      });
      expect(answer.status).toBe(200);
    }
    expect(await Promise.all(clients.map((client) => client.next('hello')))).toEqual(
      ['ann', 'bob', 'cid', 'dan'].map((to) => [{ to }]),
    );
    for (const client of clients) client.close();
  });

  test('tells the address of a client, whatever the client claims', async () => {
    const node = await environment.startNode();
    const { url } = await start(proxy, [node, node]);
    const open = (claimed: number) => {
      const options = { namespace: '/v1/shared', claims: { uid: 'eve' } };
      return connect({ url }, { ...options, extraHeaders: { 'x-forwarded-for': `203.0.113.${claimed}` } });
    };
    for (let claimed = 1; claimed <= CONNECTIONS_MAX; claimed += 1) onTestFinished((await open(claimed)).close);
    await expect(open(99)).rejects.toThrow();
    expect((await fetch(`${url}/status`)).status).toBe(200);
  });

  test('serves what the nodes can do while none is ready', async () => {
    const { nodes } = environment;
    const { url, line } = await start(proxy, nodes);
    const areReady = () =>
      Promise.all(nodes.map(async (node) => (await node.call('GET', '/health/ready')).status === 200));
    onTestFinished(async () => {
      await environment.redis().start();
      await until(async () => (await areReady()).every(Boolean));
    });
    await environment.redis().stop();
    await until(async () => !(await areReady()).some(Boolean));
    if (proxy.program === programs.haproxy) await line(/gateways has no server available/);
    // As often as there are nodes, and more: the response of one node is no reason to give it up.
    for (let call = 0; call < 4; call += 1) {
      const answer = await fetch(`${url}/health/ready`);
      expect([answer.status, await answer.json()]).toMatchObject([503, { missing: ['redis'] }]);
    }
    const client = await connect({ url }, { namespace: '/v1/shared', claims: { uid: 'ann' } });
    onTestFinished(client.close);
    expect((await fetch(`${url}/status`)).status).toBe(200);
  });

  test('loses no message while a node drains, and its clients find the other', async () => {
    const clock = createTestClock();
    const own = { SHUTDOWN_DRAIN_MS: '3000', ADDRESS_CONNECTIONS_MAX: '100' };
    const nodes = [await environment.startNode(own, { clock }), await environment.startNode(own)] as const;
    const { url, line } = await start(proxy, nodes);
    const asksForReadiness = proxy.program === programs.haproxy;
    const user = `drained-${proxy.program.command}`;
    const clients = await Promise.all(
      Array.from({ length: 6 }, (_, n) => {
        const auth = { token: signToken({ uid: user }), deviceId: `device-${n}` };
        return connect({ url }, { namespace: '/v1/shared', auth, reconnection: true });
      }),
    );
    const received = clients.map(({ socket, close }) => {
      onTestFinished(close);
      const own = new Set<number>();
      socket.on('tick', (n: number, acknowledge: () => void) => {
        own.add(n);
        acknowledge();
      });
      socket.on('_batch', (events: [string, number][], acknowledge: () => void) => {
        for (const [, n] of events) own.add(n);
        acknowledge();
      });
      return own;
    });
    const statuses = new Set<number>();
    /** As a backend does that wants an event to arrive. */
    const send = async (n: number): Promise<void> => {
      const headers = { 'x-api-key': API_KEY, 'content-type': 'application/json', 'idempotency-key': `${user} ${n}` };
      for (;;) {
        const call = fetch(`${url}/emit/${user}/tick?durable=true`, { method: 'POST', headers, body: `${n}` });
        // A proxy may close a connection that is kept open in the moment of its next use; the key makes a repetition safe.
        const answer = await call.catch(() => undefined);
        if (answer === undefined) continue;
        statuses.add(answer.status);
        if (answer.ok) return;
      }
    };
    let isOver = false;
    let sent = 0;
    const calls = (async () => {
      for (; !isOver; sent += 1) await send(sent);
    })();
    const closing = nodes[0].close();
    // The drain lasts until the clock moves, which is when the proxy has noticed it, if it asks for readiness at all.
    if (asksForReadiness) await line(/gateway-1 is DOWN/);
    let isClosed = false;
    void closing.then(() => {
      isClosed = true;
    });
    await clock.advanceUntil(500, () => isClosed);
    await until(() => clients.every(({ socket }) => socket.connected));
    isOver = true;
    await calls;
    if (asksForReadiness) expect([...statuses]).toEqual([200]);
    const all = Array.from({ length: sent }, (_, n) => n);
    await until(() => received.every(({ size }) => size === sent));
    for (const own of received) expect([...own].sort((x, y) => x - y)).toEqual(all);
  });
});

describe('the time limits of the proxies', () => {
  const seconds = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1]);
  const { HTTP_KEEP_ALIVE_MS, PING_INTERVAL_MS, PING_TIMEOUT_MS, BODY_LIMIT, MAX_FILE_SIZE } = settings.parse({});

  test('keep websockets open between heartbeats', async () => {
    const silenceMax = (PING_INTERVAL_MS + PING_TIMEOUT_MS) / 1000;
    expect(seconds(await read('haproxy.cfg'), /timeout tunnel (\d+)s/)).toBeGreaterThan(silenceMax);
    expect(seconds(await read('nginx.conf'), /proxy_read_timeout (\d+)s/)).toBeGreaterThan(silenceMax);
    expect(seconds(await read('kubernetes.yaml'), /proxy-read-timeout: '(\d+)'/)).toBeGreaterThan(silenceMax);
  });

  test('close idle connections before the gateway does', async () => {
    expect(seconds(await read('haproxy.cfg'), /timeout http-keep-alive (\d+)s/)).toBeLessThan(
      HTTP_KEEP_ALIVE_MS / 1000,
    );
    expect(seconds(await read('nginx.conf'), / keepalive_timeout (\d+)s/)).toBeLessThan(HTTP_KEEP_ALIVE_MS / 1000);
  });

  test('let every body through that the gateway takes', async () => {
    const largest = Math.max(BODY_LIMIT, MAX_FILE_SIZE) / 2 ** 20;
    expect(seconds(await read('nginx.conf'), /client_max_body_size (\d+)m/)).toBeGreaterThan(largest);
    expect(seconds(await read('kubernetes.yaml'), /proxy-body-size: (\d+)m/)).toBeGreaterThan(largest);
  });
});
