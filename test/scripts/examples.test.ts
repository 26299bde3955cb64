import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { publishedContracts, publishedNamespaces } from '#shared/contracts/index.js';
import { openWebsite } from '../integrations/push-sites/website.js';
import { API_KEY, signToken, startGateway, type TestGateway } from '../support/gateway.js';
import { type Program, startProgram } from '../support/program.js';
import { freePort } from '../support/redis-server.js';
import { projectDirectory } from '../support/script.js';
import { syntaxErrors } from '../support/syntax.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { until } from '../support/until.js';

const directory = join(projectDirectory, 'scripts/examples');
const names = (await readdir(directory)).filter((name) => !name.endsWith('.md'));
const textOf = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');

/** Whether a command exists here and ends well. */
const succeeds = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;

const GO = 'go';
const hasPython = succeeds('python3', '--version');
const hasJava = succeeds('javac', '--version');

/** The jars of the Socket.IO client for Java, where Maven has fetched them: `mvn dependency:get -Dartifact=…`. */
const jars = [
  'io/socket/socket.io-client',
  'io/socket/engine.io-client',
  'com/squareup/okhttp3/okhttp',
  'com/squareup/okio/okio',
  'org/json/json',
].flatMap((artifact) => findJar(join(homedir(), '.m2/repository', artifact)));

function findJar(artifact: string): string[] {
  if (!existsSync(artifact)) return [];
  const found = readdirSync(artifact, { recursive: true }).map(String);
  return found
    .filter((name) => name.endsWith('.jar'))
    .map((name) => join(artifact, name))
    .slice(-1);
}

/** What runs an example, and whether it is on this machine. What is not there is only parsed. */
const runtimes: Readonly<Record<string, { command: string[]; isPresent: boolean }>> = {
  'backend.mjs': { command: [process.execPath], isPresent: true },
  'curl.sh': { command: ['sh'], isPresent: succeeds('curl', '--version') },
  'backend.py': { command: ['python3'], isPresent: hasPython },
  'backend.go': { command: [], isPresent: succeeds(GO, 'version') },
  'backend.php': { command: ['php'], isPresent: succeeds('php', '--version') },
  'Backend.java': { command: ['java', '-cp'], isPresent: hasJava },
  'durable.py': { command: ['python3'], isPresent: hasPython && succeeds('python3', '-c', 'import socketio, aiohttp') },
  'Durable.java': { command: ['java', '-cp'], isPresent: hasJava && jars.length === 5 },
};
const isRun = (name: string): boolean => runtimes[name]?.isPresent ?? true;
const absent = Object.keys(runtimes).filter((name) => !isRun(name));
if (absent.length > 0) process.stderr.write(`Parsed, but not run, for want of their runtime: ${absent.join(', ')}\n`);

/** Where the compiled examples are. */
const compiledDirectory = mkdtempSync(join(tmpdir(), 'general-socket-'));

function compileGo(): void {
  if (!isRun('backend.go')) return;
  const compiled = spawnSync(GO, ['build', '-o', compiledDirectory, join(directory, 'backend.go')]);
  if (compiled.status !== 0) throw new Error(compiled.stderr.toString());
}

function compileJava(): void {
  const sources = ['Backend.java', 'Durable.java'].filter(isRun).map((name) => join(directory, name));
  if (sources.length === 0) return;
  const compiled = spawnSync('javac', ['-cp', jars.join(delimiter), '-d', compiledDirectory, ...sources]);
  if (compiled.status !== 0) throw new Error(compiled.stderr.toString());
}

const run = (name: string, args: readonly string[], env: Record<string, string> = {}): Program => {
  const [command = '', ...before] = runtimes[name]?.command ?? [process.execPath];
  const options = { cwd: projectDirectory, env };
  if (name.endsWith('.go')) return startProgram(join(compiledDirectory, name.replace('.go', '')), args, options);
  const program = name.endsWith('.java')
    ? [[compiledDirectory, ...jars].join(delimiter), name.replace('.java', '')]
    : [join(directory, name)];
  return startProgram(command, [...before, ...program, ...args], options);
};

let gateway: TestGateway;
beforeAll(async () => {
  compileGo();
  compileJava();
  gateway = await startGateway();
});
afterAll(async () => {
  await gateway.close();
  await rm(compiledDirectory, { recursive: true });
});

/** Stores a durable notification. @returns its id */
async function emitDurable(userId: string, title: string): Promise<string> {
  const { json } = await gateway.call('POST', `/emit/${userId}/notification?durable=true`, { title });
  return json.data.id;
}

/** Asks until a message is acknowledged: cursors are written some time after the acknowledgement. */
async function becomesAcknowledged(id: string): Promise<void> {
  await until(async () => (await gateway.call('GET', `/emit/${id}`)).json.data.state === 'acked');
}

/** What a client of durable messages does, whatever it is written in. */
async function handlesDurableMessages(userId: string, start: () => Program): Promise<void> {
  const waiting = await emitDurable(userId, 'waited');
  const client = start();
  expect(await client.line(/notification/)).toContain('waited');
  await becomesAcknowledged(waiting);
  const live = await emitDurable(userId, 'live');
  expect(await client.line(/notification/)).toContain('live');
  await becomesAcknowledged(live);
}

describe('every example', () => {
  const events = publishedContracts.flatMap(({ contract }) => [
    ...Object.keys(contract.clientEvents),
    ...Object.keys(contract.serverEvents),
  ]);
  const ofSocketIo = ['connect', 'connect_error', 'disconnect', '*'];
  const ofApplications = ['notification', 'update_store'];
  const paths = publishedContracts.flatMap(({ contract }) => Object.values(contract.routes).map(({ path }) => path));
  const patterns = paths.map((path) => new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`));

  test('is listed in the README of the examples', async () => {
    const page = await textOf('README.md');
    expect(names.filter((name) => !page.includes(`(${name})`))).toEqual([]);
  });

  test.each(names)('%s uses existing events, namespaces and routes', async (name) => {
    const text = await textOf(name);
    const spoken = [...text.matchAll(/(?:\.(?:on|once|emit|emitWithAck|call)|\bask)\(['"]([^'"]+)['"]/g)].map(
      ([, event = '']) => event,
    );
    expect(spoken.filter((event) => ![...events, ...ofSocketIo, ...ofApplications].includes(event))).toEqual([]);
    const namespaces = [...text.matchAll(/\/v1\/[\w/]+/g)].map(([namespace]) => namespace);
    expect(namespaces.filter((namespace) => !(namespace in publishedNamespaces))).toEqual([]);
    const routes = [...text.matchAll(/[`'"](?:\$url)?(\/(?:emit|send|broadcast)[^?`'"\s]*)/g)].map(([, path = '']) =>
      path.replaceAll(/\$\{[^}]*\}|\$\w+/g, 'x'),
    );
    expect(routes.filter((route) => !patterns.some((pattern) => pattern.test(route)))).toEqual([]);
    if (name !== 'typed-backend.mjs') expect(spoken.length + routes.length).toBeGreaterThan(0);
  });

  test.each(names)('%s can be parsed', async (name) => {
    if (!name.endsWith('.html')) return expect(await syntaxErrors(join(directory, name))).toEqual([]);
    const script = join(await temporaryDirectory(), 'page.mjs');
    await writeFile(script, scriptOf(await textOf(name)));
    expect(await syntaxErrors(script)).toEqual([]);
  });

  test('with a mistake is found, whatever its language', async () => {
    for (const name of names.filter((one) => !one.endsWith('.html'))) {
      const broken = join(await temporaryDirectory(), name);
      await writeFile(broken, `${await textOf(name)}\n((`);
      expect(await syntaxErrors(broken), name).not.toEqual([]);
    }
  });
});

const scriptOf = (page: string): string => /<script type="module">\n([\s\S]*)<\/script>/.exec(page)?.[1] ?? '';

describe('listen.mjs', () => {
  test('prints what a backend emits', async () => {
    const listener = run('listen.mjs', [signToken({ uid: 'listener' }), gateway.url]);
    await listener.line(/^connected/);
    await gateway.call('POST', '/emit/listener/notification', { title: 'New Lead' });
    expect(await listener.line(/^received/)).toContain('New Lead');
  });
});

describe('durable.mjs', () => {
  test('acknowledges queued and new messages', async () => {
    await handlesDurableMessages('node-user', () => run('durable.mjs', [signToken({ uid: 'node-user' }), gateway.url]));
  });

  test('renews a token that is about to expire', async () => {
    const tokens = ['30s', '1h'].map((expiresIn) => signToken({ uid: 'renewing' }, { expiresIn: expiresIn as '1h' }));
    const endpoint = createServer((_request, response) => response.end(tokens.shift()));
    await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void endpoint.close());
    const { port } = endpoint.address() as AddressInfo;
    const client = run('durable.mjs', [`http://127.0.0.1:${port}`, gateway.url]);
    expect(await client.line(/^token renewed/)).toBe('token renewed: SUCCESS');
  });
});

test('durable.mjs asks for a token at each connect', async () => {
  let asked = 0;
  const endpoint = createServer((_request, response) => {
    asked += 1;
    response.end(signToken({ uid: 'again', jti: String(asked) }));
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void endpoint.close());
  const road = await startTcpProxy(gateway.port);
  const urls = [endpoint.address() as AddressInfo, road].map(({ port }) => `http://127.0.0.1:${port}`);
  const client = run('durable.mjs', urls);
  await client.line(/^connected/);
  await road.cut();
  await road.restore();
  onTestFinished(road.cut);
  await client.line(/^connected/);
  expect(asked).toBe(2);
});

describe.each(['durable.py', 'Durable.java'].filter(isRun))('%s', (name) => {
  test('acknowledges queued and new messages', async () => {
    const args = [signToken({ uid: `user of ${name}` }), gateway.url];
    await handlesDurableMessages(`user of ${name}`, () => run(name, args));
  });

  test('renews a token that is about to expire', async () => {
    const client = run(name, [signToken({ uid: 'renewing' }, { expiresIn: '40s' }), gateway.url]);
    // The gateway refuses a token that is no newer, which shows that the client asked.
    expect(await client.line(/^token renewed/)).toMatch(/SUCCESS|INVALID_TOKEN/);
  });
});

describe('push-site.mjs', () => {
  test('connects again when its website is back, and acknowledges queued and new messages', async () => {
    const website = await openWebsite();
    onTestFinished(website.close);
    website.rooms.set('12345', ['user_1']);
    const site = await startGateway({
      SITE_NAME: 'newsite',
      AUTH_URL: `${website.url}/rooms`,
      API_KEY: '54321',
      USER_ROOM_PREFIX: 'user_',
    });
    onTestFinished(site.close);
    const send = (age: number) =>
      site.call(
        'POST',
        '/send?site=newsite',
        { rooms: 'user_1', event: 'update_store', args: ['user', { age }] },
        { 'x-api-key': '54321' },
      );
    expect((await send(4)).text).toBe('OK');
    website.answer = (_call, response) => void response.writeHead(500).end();
    const client = run('push-site.mjs', ['12345', `${site.url}/newsite`]);
    expect(await client.line(/^cannot connect/)).toContain('Auth 500 error');
    website.answer = undefined;
    expect(await client.line(/^messages wait/)).toBe('messages wait for 3600 seconds');
    expect(await client.line(/^update_store/)).toBe('update_store user { age: 4 }');
    await send(5);
    expect(await client.line(/^update_store/)).toBe('update_store user { age: 5 }');
    client.child.kill();
    await client.ended;
    const refused = run('push-site.mjs', ['another', `${site.url}/newsite`]);
    expect(await refused.line(/^cannot connect/)).toContain('Authentication failed');
  });
});

/** Leads to the gateway: the first call is answered with 503, the answer to the second is lost. */
async function openFaultyRoad(): Promise<{ url: string; keys: unknown[] }> {
  const keys: unknown[] = [];
  const road = createServer(async (request, response) => {
    keys.push(request.headers['idempotency-key']);
    const isAway = keys.length === 1;
    const answer = isAway
      ? undefined
      : await gateway.call('POST', request.url ?? '', await text(request), pick(request.headers));
    if (keys.length === 2) return void request.socket.destroy();
    response.writeHead(answer?.status ?? 503, { 'content-type': 'application/json' });
    response.end(answer?.text ?? '{"success":false,"errno":503,"message":"UNAVAILABLE","retryAfterMs":100}');
  });
  await new Promise<void>((resolve) => road.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void road.close());
  return { url: `http://127.0.0.1:${(road.address() as AddressInfo).port}`, keys };
}

/** What the gateway must get of a call. */
const pick = (headers: IncomingHttpHeaders): Record<string, string> => ({
  'idempotency-key': String(headers['idempotency-key']),
  'x-api-key': String(headers['x-api-key']),
});

const backends = ['backend.mjs', 'curl.sh', 'backend.py', 'backend.go', 'backend.php', 'Backend.java'];

/** Runs every backend at once: much of the time they wait to send again. */
describe('every backend', () => {
  const everyBackend = (check: (name: string) => Promise<void>): Promise<unknown> =>
    Promise.all(backends.filter(isRun).map(check));

  test('stores an event', () =>
    everyBackend(async (name) => {
      const backend = run(name, ['backend-user', gateway.url], { GATEWAY_KEY: API_KEY });
      expect(await backend.line(/[0-9a-f]{24}/), name).toContain('queued');
      expect(await backend.ended, name).toBe(0);
    }));

  test('prints the reason of a refusal', () =>
    everyBackend(async (name) => {
      const backend = run(name, ['backend-user', gateway.url], { GATEWAY_KEY: 'another key' });
      await backend.line(/INVALID_API_KEY/);
      expect(await backend.ended, name).toBe(1);
    }));

  test('retries with the same key, so that the event is stored once', () =>
    everyBackend(async (name) => {
      const { url, keys } = await openFaultyRoad();
      const userId = `retrying-${name.replace('.', '-')}`;
      const backend = run(name, [userId, url], { GATEWAY_KEY: API_KEY });
      expect(await backend.line(/[0-9a-f]{24}/), name).toContain('queued');
      expect(await backend.ended, name).toBe(0);
      expect([keys.length, new Set(keys).size, keys[0]], name).toEqual([3, 1, expect.stringMatching(/./)]);
      const { json } = await gateway.call('GET', `/users/${encodeURIComponent(userId)}/deliveries`);
      expect(json.data.messages, name).toHaveLength(1);
    }));

  test('says that it needs a user', () =>
    everyBackend(async (name) => {
      const backend = run(name, []);
      await backend.line(/the id of a user is needed$/);
      expect(await backend.ended, name).not.toBe(0);
    }));

  test('reports that it cannot reach the gateway', () =>
    everyBackend(async (name) => {
      const backend = run(name, ['backend-user', `http://localhost:${await freePort()}`]);
      await backend.line(/^not sent: /);
      expect(await backend.ended, name).toBe(1);
    }));
});

test('push-site.mjs reports that it cannot reach the gateway', async () => {
  const url = `http://localhost:${await freePort()}/newsite`;
  expect(await run('push-site.mjs', ['12345', url]).line(/^cannot connect/)).toContain('ECONNREFUSED');
});

const clients = ['listen.mjs', 'durable.mjs', 'talk.mjs', 'chat.mjs', 'durable.py', 'Durable.java'].filter(isRun);

describe('every client', () => {
  const everyClient = (check: (name: string) => Promise<void>): Promise<unknown> => Promise.all(clients.map(check));
  const argsOf = (name: string, token: string, url: string) =>
    ({ 'talk.mjs': [token, 'Hello', url], 'chat.mjs': [token, 'bob', 'Hello', url] })[name] ?? [token, url];

  test('reports that it cannot reach the gateway', () =>
    everyClient(async (name) => {
      const url = `http://localhost:${await freePort()}`;
      const client = run(name, argsOf(name, signToken(), url));
      expect(await client.line(/^cannot connect/), name).toMatch(
        new RegExp(`^cannot connect to ${url}: .*(?:ECONNREFUSED|Connect)`),
      );
    }));

  test('prints the reason of a refusal', () =>
    everyClient(async (name) => {
      const client = run(name, argsOf(name, 'not.a.token', gateway.url));
      expect(await client.line(/^cannot connect/), name).toContain('INVALID_TOKEN');
      expect(await client.ended, name).toBe(1);
    }));
});
