import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ClientOptions, connect, refusal, type TestClient } from '../support/client.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { until } from '../support/until.js';

const OLD = 'old-secret-8f3a1c9e5b7d2046e1a8c3f5';
const NEW = 'new-secret-9b6d72048f3a1c9e5b7d2046';
const [OLD_KEY, NEW_KEY] = ['old-key-8f3a1c9e5b7d', 'new-key-2046e1a8c3f5'];
const [OLD_SITE_KEY, NEW_SITE_KEY] = ['old-site-9b6d72048f3a', 'new-site-1c9e5b7d2046'];

/** A directory of secrets as Kubernetes mounts it: `name` → `..data/name`, and `..data` → the files of one version. */
async function mountSecrets() {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  let version = 0;
  return {
    directory,
    /** Replaces all files at once. */
    async replace(files: Readonly<Record<string, string>>): Promise<void> {
      version += 1;
      const target = `..v${version}`;
      await mkdir(join(directory, target));
      for (const [name, text] of Object.entries(files)) {
        await writeFile(join(directory, target, name), text);
        if (version === 1) await symlink(join('..data', name), join(directory, name));
      }
      await symlink(target, join(directory, '..data_tmp'));
      await rename(join(directory, '..data_tmp'), join(directory, '..data'));
    },
  };
}

const website = createServer((_request, response) => response.end('["user_1"]'));
let mount: Awaited<ReturnType<typeof mountSecrets>>;
let node: GatewayProcess;

/** Lines of the log with this event. */
const linesOf = (event: string) => node.lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
const replaced = (times: number) => until(() => linesOf('secrets_replaced').length >= times);

const as = (secret: string, uid: string, more: ClientOptions = {}): ClientOptions => ({
  claims: null,
  auth: { token: jwt.sign({ uid, account_id: 'a', scope: 'conversation' }, secret, { expiresIn: '1h' }) },
  ...more,
});

const emit = async (key: string): Promise<number> =>
  (await fetch(`${node.url}/emit/ann/news`, { method: 'POST', headers: { 'x-api-key': key } })).status;
const send = async (key: string): Promise<number> => {
  const init = { method: 'POST', headers: { 'x-api-key': key, 'content-type': 'application/json' } };
  return (await fetch(`${node.url}/send?site=news`, { ...init, body: '{"rooms":["r"],"event":"e","args":[]}' })).status;
};

const secretsOf = (secrets: string[], keys: string[], siteKeys: string[]) =>
  mount.replace({ jwt: `${secrets.join('\n')}\n`, keys: keys.join('\n'), site: siteKeys.join('\n') });

beforeAll(async () => {
  mount = await mountSecrets();
  await new Promise<void>((resolve) => website.listen(0, '127.0.0.1', resolve));
  await secretsOf([OLD], [OLD_KEY], [OLD_SITE_KEY]);
  const SITES_FILE = join(mount.directory, 'sites.yml');
  const authUrl = `http://127.0.0.1:${(website.address() as AddressInfo).port}/`;
  await writeFile(SITES_FILE, `news: { authUrl: '${authUrl}', apiKeyFile: ${join(mount.directory, 'site')} }`);
  node = await startGatewayProcess({
    SITES_FILE,
    JWT_SECRET: '',
    EMIT_API_KEYS: '',
    LOG_LEVEL: 'info',
    JWT_SECRETS_FILE: join(mount.directory, 'jwt'),
    EMIT_API_KEYS_FILE: join(mount.directory, 'keys'),
    JWT_SECERT: 'x',
  });
});
afterAll(async () => {
  await node?.close();
  website.close();
  await rm(mount.directory, { recursive: true, force: true });
});

test('a name that resembles a setting is in the log of the start', () => {
  expect(linesOf('setting_unknown').map(({ reason }) => reason)).toEqual([
    'JWT_SECERT has no effect; did you mean JWT_SECRET?',
  ]);
});

test('secrets rotate without a restart while clients are connected', async () => {
  const [ann, ben, eve]: TestClient[] = await Promise.all([
    connect(node, as(OLD, 'ann')),
    connect(node, as(OLD, 'ben')),
    connect(node, { namespace: '/news', claims: null, auth: { token: 't' } }),
  ]);
  if (ann === undefined || ben === undefined || eve === undefined) throw new Error('not connected');
  expect((await refusal(node, as(NEW, 'ann'))).data).toEqual({ errno: 401, message: 'INVALID_TOKEN' });
  expect([await emit(OLD_KEY), await emit(NEW_KEY)]).toEqual([200, 401]);
  expect([await send(OLD_SITE_KEY), await send(NEW_SITE_KEY)]).toEqual([200, 401]);
  expect(await ann.next('news')).toHaveLength(1);

  // Both are listed: found by the files alone, as Kubernetes replaces them.
  await secretsOf([NEW, OLD], [NEW_KEY, OLD_KEY], [NEW_SITE_KEY, OLD_SITE_KEY]);
  await replaced(1);
  const [cem, dan] = [await connect(node, as(NEW, 'cem')), await connect(node, as(OLD, 'dan'))];
  expect([await emit(OLD_KEY), await emit(NEW_KEY)]).toEqual([200, 200]);
  expect([await send(OLD_SITE_KEY), await send(NEW_SITE_KEY)]).toEqual([200, 200]);
  expect([await ann.next('news'), await ann.next('news')]).toHaveLength(2);
  // Renewed with a token of the new secret in time.
  const token = as(NEW, 'ben').auth as { token: string };
  expect(await ben.ask('refresh_token', token)).toMatchObject({ success: true });
  const tail = await fetch(`${node.url}/tail`, { headers: { 'x-api-key': OLD_KEY } });

  // An invalid change: nothing of it takes effect.
  await secretsOf(['short'], [NEW_KEY], [NEW_SITE_KEY]);
  node.child.kill('SIGHUP');
  await until(() => linesOf('settings_refused').length > 0);
  expect(linesOf('settings_refused')[0].problems).toEqual([
    'JWT_SECRETS_FILE: a secret needs at least 32 bytes in production',
  ]);
  expect([await emit(OLD_KEY), await send(OLD_SITE_KEY)]).toEqual([200, 200]);
  (await connect(node, as(OLD, 'fay'))).close();

  // The old ones are gone.
  await secretsOf([NEW], [NEW_KEY], [NEW_SITE_KEY]);
  node.child.kill('SIGHUP');
  for (const client of [ann, dan]) {
    expect(await client.next('disconnected')).toEqual([{ reason: 'revoked' }]);
    expect(await client.closed).toBe('io server disconnect');
  }
  expect((await refusal(node, as(OLD, 'ann'))).data).toEqual({ errno: 401, message: 'INVALID_TOKEN' });
  expect([await emit(OLD_KEY), await emit(NEW_KEY)]).toEqual([401, 200]);
  expect([await send(OLD_SITE_KEY), await send(NEW_SITE_KEY)]).toEqual([401, 200]);
  // The stream of the removed key has ended.
  await tail.text();
  const after = await connect(node, as(NEW, 'ann'));
  expect(await emit(NEW_KEY)).toBe(200);
  expect(await after.next('news')).toHaveLength(1);
  // Of the new secret, renewed, and of no secret of the gateway: these are as they were.
  expect([cem, ben, eve].map(({ socket }) => socket.connected)).toEqual([true, true, true]);
  for (const client of [after, cem, ben, eve]) client.close();
  expect(node.lines.join()).not.toMatch(/(?:old|new)-(?:secret|key|site)-/);
});
