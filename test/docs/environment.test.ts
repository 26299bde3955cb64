import { execFile, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createClient } from 'redis';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { groups } from '../../src/config/groups/index.js';
import { environment, readConfig } from '../../src/config.js';
import { freePort } from '../support/redis-server.js';
import { projectDirectory } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

interface Variable {
  name: string;
  defaultText: string;
  description: string;
}

/** The table of the code as a reader of `.env.example` should find it, in the order of names. */
function documentedByCode(): Variable[] {
  const defaults: Record<string, unknown> = environment.parse({});
  const variables = Object.entries(environment.shape).map(([name, schema]) => ({
    name,
    defaultText: String(defaults[name] ?? ''),
    description: schema.description ?? '',
  }));
  return byName(variables);
}

/** What `text` documents: `# description` on the line above `#NAME=default`. */
function readExample(text: string): Variable[] {
  const variables = [...text.matchAll(/^# (.+)\n#([A-Z0-9_]+)=(.*)$/gm)].map(
    ([, description = '', name = '', defaultText = '']) => ({ name, defaultText, description }),
  );
  return byName(variables);
}

/** The chapters of a text: each its title and the names of its settings. */
function chaptersOf(text: string, { chapter, name }: { chapter: RegExp; name: RegExp }): string[][] {
  const chapters: string[][] = [];
  for (const line of text.split('\n')) {
    const title = chapter.exec(line)?.[1];
    const setting = name.exec(line)?.[1];
    if (title !== undefined) chapters.push([title]);
    if (setting !== undefined) chapters.at(-1)?.push(setting);
  }
  return chapters;
}

const byName = (variables: readonly Variable[]): Variable[] =>
  [...variables].sort((a, b) => (a.name < b.name ? -1 : 1));

const read = (name: string): Promise<string> => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

test('.env.example holds every variable with its default and its description, and no other', async () => {
  expect(readExample(await read('.env.example'))).toEqual(documentedByCode());
});

test('the page of settings and .env.example have a chapter for each group of the code, with its settings in its order', async () => {
  const inCode = Object.entries(groups).map(([title, group]) => [title, ...Object.keys(group)]);
  expect(chaptersOf(await read('.env.example'), { chapter: /^# --- (.+)$/, name: /^#([A-Z0-9_]+)=/ })).toEqual(inCode);
  const page = chaptersOf(await read('src/config/README.md'), { chapter: /^## (.+)$/, name: /^\| `([A-Z0-9_]+)` \|/ });
  expect(page.filter((chapter) => chapter.length > 1)).toEqual(inCode);
});

test('a copy of .env.example changes no default', async () => {
  const settings = (await read('.env.example')).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(settings).toEqual([]);
});

test('docker-compose.yml gives the gateways only variables that exist', async () => {
  const { services } = parse(await read('docker-compose.yml'), { merge: true });
  const names = Object.entries<{ environment: object }>(services)
    .filter(([service]) => service.startsWith('gateway-'))
    .flatMap(([, { environment: given }]) => Object.keys(given).map((name) => name.replace(/_FILE$/, '')));
  expect(names).not.toHaveLength(0);
  expect(names.filter((name) => !(name in environment.shape))).toEqual([]);
});

test('docker-compose.yml hardens every service and passes no secret as an argument', async () => {
  const { services } = parse(await read('docker-compose.yml'), { merge: true });
  for (const [service, definition] of Object.entries<Record<string, unknown>>(services)) {
    expect(definition, service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      pids_limit: expect.any(Number),
      mem_limit: expect.stringMatching(/^\d+[mg]$/),
      logging: { driver: 'local' },
    });
    const processes = JSON.stringify([definition['entrypoint'], definition['command'], definition['healthcheck']]);
    expect(processes, service).not.toMatch(/(?<!\$)\$\{/);
  }
});

test('docker-compose.yml takes nothing from .env, which is the file of npm start', async () => {
  const text = await read('docker-compose.yml');
  expect(text.replaceAll('$$', '').match(/\$\{?\w+/g)).toBeNull();
  const { services, secrets } = parse(text, { merge: true });
  const files = Object.values<Record<string, unknown>>(services).map(({ env_file }) => env_file);
  expect(JSON.stringify([...files, secrets])).not.toMatch(/"\.env"|"environment"/);
});

test('the script makes the secrets of docker-compose.yml once, and a gateway in production accepts them', async () => {
  const directory = await temporaryDirectory();
  const run = () => promisify(execFile)('sh', [`${projectDirectory}scripts/operate/compose-secrets.sh`, directory]);
  const contents = () => Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')));
  const { services, secrets } = parse(await read('docker-compose.yml'), { merge: true });
  const names = Object.entries<{ file: string }>(secrets).map(([name, { file }]) => {
    expect(file).toBe(`compose-secrets/${name}`);
    return name;
  });
  expect((await run()).stderr).toBe('');
  const made = await contents();
  await run();
  expect(await contents()).toEqual(made);
  expect(new Set(made).size).toBe(names.length);
  const variables = Object.entries<string>(services['gateway-1'].environment).map(([name, value]) => [
    name,
    value.replace('/run/secrets', directory),
  ]);
  const config = readConfig({ NODE_ENV: 'production', ...Object.fromEntries(variables) });
  const password = (await readFile(join(directory, 'redis_password'), 'utf8')).trim();
  expect(config.redis.url).toBe(`redis://:${password}@redis:6379`);
  expect(config.storage.mongodbUrl).toContain((await readFile(join(directory, 'mongodb_password'), 'utf8')).trim());
});

test('the Redis of docker-compose.yml starts with the password of its secret, and asks for it', async () => {
  const { services } = parse(await read('docker-compose.yml'), { merge: true });
  const directory = await temporaryDirectory();
  const port = await freePort();
  await writeFile(join(directory, 'redis_password'), 'a-password');
  // As the container runs it: `$$` is an escaped `$`, and the paths are those of this machine.
  const script = String(services.redis.command[0])
    .replaceAll('$$', '$')
    .replaceAll('/tmp', directory)
    .replaceAll('/run/secrets', directory)
    .replace('exec redis-server', `exec redis-server --port ${port} --include`);
  const redis = spawn('sh', ['-c', script], { stdio: 'ignore' });
  onTestFinished(() => void redis.kill('SIGKILL'));
  const client = createClient({ url: `redis://:a-password@127.0.0.1:${port}` });
  client.on('error', () => undefined);
  await client.connect();
  expect(await client.ping()).toBe('PONG');
  const { maxmemory, 'maxmemory-policy': policy } = await client.configGet(['maxmemory', 'maxmemory-policy']);
  expect(Number(maxmemory)).toBeGreaterThan(0);
  expect(Number(maxmemory)).toBeLessThan(Number.parseInt(services.redis.mem_limit, 10) * 2 ** 20);
  expect(policy).toBe('noeviction');
  const stranger = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: false } });
  stranger.on('error', () => undefined);
  await expect(stranger.connect().then(() => stranger.ping())).rejects.toThrow('NOAUTH');
  client.destroy();
});

test('the image sets only variables that exist', async () => {
  const [, assignments = ''] = /^ENV (.+)$/m.exec(await read('Dockerfile')) ?? [];
  const names = assignments.split(' ').map((assignment) => assignment.replace(/=.*/, ''));
  expect(names).toContain('DATA_DIR');
  expect(names.filter((name) => !(name in environment.shape))).toEqual([]);
});
