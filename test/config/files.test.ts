import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { publishedNamespaces } from '#shared/contracts/index.js';
import { readConfig, readSettings } from '../../src/config.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** Writes a file of its own. @returns its path */
async function file(name: string, text: string): Promise<string> {
  const path = join(await temporaryDirectory(), name);
  await writeFile(path, text);
  return path;
}

/** What the start says about these settings, line by line, without the paths of the files. */
function complaintsAbout(env: Record<string, string>): string[] {
  try {
    readConfig(env);
  } catch (error) {
    const [, ...lines] = (error as Error).message.split('\n');
    return lines.map((line) => line.trim().replace(/\S*[/\\](?=(?:sites|config)\.yml)/, ''));
  }
  return [];
}

test('a window of EVENT_LIMIT is between a second and a day', () => {
  const complaints = ['999', '86400001'].flatMap((ms) => complaintsAbout({ EVENT_LIMIT_WINDOW_MS: ms }));
  expect(complaints).toEqual(Array(2).fill(expect.stringMatching(/^EVENT_LIMIT_WINDOW_MS: /)));
  expect(readConfig({ EVENT_LIMIT_WINDOW_MS: '86400000' }).sockets.limit.windowMs).toBe(86_400_000);
});

test('without files and variables there are no sites', () => {
  expect(readConfig({}).sites).toEqual([]);
});

test('a site cannot have the name of a namespace of the gateway', () => {
  const names = Object.keys(publishedNamespaces).map((namespace) => namespace.split('/')[1] ?? '');
  for (const SITE_NAME of names.filter((name) => name !== '')) {
    expect(complaintsAbout({ SITE_NAME, AUTH_URL: 'http://x', API_KEY: 'k' })).toHaveLength(1);
  }
});

test('one site can be configured by the environment', () => {
  const env = {
    SITE_NAME: 'goodcity',
    AUTH_URL: 'https://example.org/api/v1/auth/current_user_rooms',
    API_KEY: '54321',
    USER_ROOM_PREFIX: 'user_',
    UPDATE_USER_URL: 'https://example.org/api/v1/users/:id',
    PUBLIC_CHANNEL: 'browse',
  };
  expect(readConfig(env).sites).toEqual([
    {
      name: 'goodcity',
      authUrl: env.AUTH_URL,
      authScheme: 'Bearer',
      apiKeys: ['54321'],
      userRoomPrefix: 'user_',
      updateUserUrl: env.UPDATE_USER_URL,
      publicChannel: 'browse',
    },
  ]);
  expect(complaintsAbout({ SITE_NAME: 'goodcity', AUTH_URL: 'ftp://x', AUTH_SCHEME: 'a b' })).toEqual([
    'AUTH_URL: must be an http or https URL',
    'AUTH_SCHEME: must be one word',
    'API_KEY: missing',
  ]);
  expect(complaintsAbout({ AUTH_URL: 'http://x' })).toEqual(['SITE_NAME: AUTH_URL has no effect without it']);
});

test('several sites can be configured by sites.yml, with keys read as text', async () => {
  const SITES_FILE = await file(
    'sites.yml',
    `defaults: &defaults
  authUrl: http://newsite.com/socketrooms
  apiKey: 054321
newsite:
  <<: *defaults
  authScheme: Token
  userRoomPrefix: user_
  updateUserUrl: http://newsite.com/users/:id
other:
  authUrl: http://127.0.0.1:3000/rooms
  apiKey: 1e5
  publicChannel:
`,
  );
  const { sites } = readConfig({ SITES_FILE, SITE_NAME: 'mine', AUTH_URL: 'http://x', API_KEY: 'k' });
  expect(sites.map(({ name, apiKeys }) => [name, ...apiKeys])).toEqual([
    ['mine', 'k'],
    ['defaults', '054321'],
    ['newsite', '054321'],
    ['other', '1e5'],
  ]);
  expect(sites[3]).toEqual({
    name: 'other',
    authUrl: 'http://127.0.0.1:3000/rooms',
    authScheme: 'Bearer',
    apiKeys: ['1e5'],
  });
});

test('all problems of sites are reported at once', async () => {
  const SITES_FILE = await file(
    'sites.yml',
    `v1: { authUrl: http://x, apiKey: k }
Admin: { authUrl: http://x, apiKey: k }
department: { authUrl: http://x, apiKey: k }
a/b: { authUrl: http://x, apiKey: k }
"": { authUrl: http://x, apiKey: k }
__proto__: { authUrl: http://x, apiKey: k }
site with spaces: { authUrl: http://x, apiKey: k }
empty: {}
text: hello
list: [1]
nothing:
unknown: { authUrl: http://x, apiKey: k, authurl: http://x, port: 1 }
urls: { authUrl: socketrooms, apiKey: k, userRoomPrefix: u, updateUserUrl: http://x/users }
secret: { authUrl: "http://user:password@x", apiKey: k }
forms: { authUrl: [http://x], apiKey: { a: 1 }, authScheme: "Bearer token" }
prefixless: { authUrl: http://x, apiKey: k, updateUserUrl: "http://x/:id" }
public: { authUrl: http://x, apiKey: k, userRoomPrefix: user_, publicChannel: user_1 }
twice: { authUrl: http://x, apiKey: k }
good: { authUrl: http://x, apiKey: k }
`,
  );
  const name = 'the name of a site is 1 to 64 characters of A-Z a-z 0-9 _ -';
  const taken = 'this name is reserved by the gateway';
  expect(complaintsAbout({ SITES_FILE, SITE_NAME: 'twice', AUTH_URL: 'http://x', API_KEY: 'k', PORT: 'x' })).toEqual([
    'PORT: must be a whole number between 0 and 65535',
    `sites.yml: v1: ${taken}`,
    `sites.yml: Admin: ${taken}`,
    `sites.yml: department: ${taken}`,
    `sites.yml: a/b: ${name}`,
    `sites.yml: : ${name}`,
    `sites.yml: __proto__: ${name}`,
    `sites.yml: site with spaces: ${name}`,
    'sites.yml: empty.authUrl: missing',
    'sites.yml: empty.apiKey: missing',
    'sites.yml: text: must be a map',
    'sites.yml: list: must be a map',
    'sites.yml: nothing: must be a map',
    'sites.yml: unknown.authurl: no such key',
    'sites.yml: unknown.port: no such key',
    'sites.yml: urls.authUrl: must be an http or https URL',
    'sites.yml: urls.updateUserUrl: must contain :id',
    'sites.yml: secret.authUrl: must not contain a user or password',
    'sites.yml: forms.authUrl: must be an http or https URL',
    'sites.yml: forms.authScheme: must be one word',
    'sites.yml: forms.apiKey: must be a text',
    'sites.yml: prefixless.updateUserUrl: requires a userRoomPrefix',
    'sites.yml: public.publicChannel: must not begin with the userRoomPrefix',
    'SITE_NAME: sites.yml has a site of this name too',
  ]);
});

test.each([
  ['a: [1', 'Flow sequence in block collection must be sufficiently indented'],
  ['a: 1\na: 2', 'Map keys must be unique at line 2, column 1'],
  ['- a', 'must contain a map'],
  ['text', 'must contain a map'],
  ['a: *nowhere', 'it has unknown aliases, or aliases nested too deeply'],
])('a sites.yml that is not a map of sites is refused: %j', async (text, complaint) => {
  const [line = '', ...others] = complaintsAbout({ SITES_FILE: await file('sites.yml', text) });
  expect(others.every((other) => other.startsWith('sites.yml: '))).toBe(true);
  expect(line).toContain(`sites.yml: ${complaint.slice(0, 20)}`);
});

test('a named file must exist', () => {
  expect(complaintsAbout({ SITES_FILE: '/nowhere/sites.yml', CONFIG_FILE: '/nowhere/config.yml' })).toEqual([
    'CONFIG_FILE: config.yml cannot be read: the file does not exist (ENOENT)',
    'SITES_FILE: sites.yml cannot be read: the file does not exist (ENOENT)',
  ]);
});

test('a named file that cannot be read is named with the place of its setting', async () => {
  const missing = '/nowhere/sites.yml cannot be read: the file does not exist (ENOENT)';
  const CONFIG_FILE = await file('config.yml', 'test: { SITES_FILE: /nowhere/sites.yml }');
  expect(readSettings({ env: { NODE_ENV: 'test', CONFIG_FILE } }).problems).toEqual([
    `${CONFIG_FILE}: test.SITES_FILE: ${missing}`,
  ]);
  const envFile = await file('.env', 'CONFIG_FILE=/nowhere/sites.yml');
  expect(readSettings({ env: {}, envFile }).problems).toEqual([`${envFile}: CONFIG_FILE: ${missing}`]);
});

test('settings of a site without its name are warned of', async () => {
  const envFile = await file('.env', 'API_KEY=k');
  const env = { USER_ROOM_PREFIX: 'user_', PUBLIC_CHANNEL: 'browse' };
  const warnings = [`${envFile}: API_KEY`, 'USER_ROOM_PREFIX', 'PUBLIC_CHANNEL'];
  expect(readSettings({ env, envFile })).toMatchObject({
    problems: [],
    warnings: warnings.map((place) => `${place} has no effect without SITE_NAME`),
  });
  const site = { SITE_NAME: 'news', AUTH_URL: 'http://x' };
  expect(readSettings({ env: { ...env, ...site }, envFile })).toMatchObject({ problems: [], warnings: [] });
});

test('config.yml is read by NODE_ENV, production by default, and the environment takes precedence', async () => {
  const CONFIG_FILE = await file(
    'config.yml',
    `production:
  port: 81
  device_ttl: 60
  redis:
    url: rediss://:password@example.org:6380/1
  flakeid:
    datacenter: 0
    worker: 0
  io:
    pingTimeout: 60000
    transports: [websocket, polling]
  servers:
    - deployer@server1.example.com
    - deployer@server2.example.com
  LOG_LEVEL: warn
test:
  port: 82
`,
  );
  const config = readConfig({ CONFIG_FILE, PORT: '83' });
  expect(config.http.port).toBe(83);
  expect(config.delivery.deviceTtlMs).toBe(60_000);
  expect(config.redis.url).toBe('rediss://:password@example.org:6380/1');
  expect(config.sockets).toMatchObject({ pingTimeoutMs: 60_000, transports: ['websocket', 'polling'] });
  expect(config.logLevel).toBe('warn');
  expect(readConfig({ CONFIG_FILE, NODE_ENV: 'test' })).toMatchObject({
    http: { port: 82 },
    redis: { url: undefined },
  });
  expect(readConfig({ CONFIG_FILE, NODE_ENV: 'development' }).http.port).toBe(4000);
});

test('problems of config.yml name their place in the file', async () => {
  const CONFIG_FILE = await file(
    'config.yml',
    'test: { prot: 1, port: x, redis: { url: http://x }, io: { pingtimeout: 1 }, NODE_ENV: [a], __proto__: 1 }\ndevelopment: text\n',
  );
  expect(complaintsAbout({ CONFIG_FILE, NODE_ENV: 'test' })).toEqual([
    'config.yml: test.prot: no such setting',
    'config.yml: test.io.pingtimeout: no such setting',
    'config.yml: test.__proto__: no such setting',
    'config.yml: test.port: must be a whole number between 0 and 65535',
    'config.yml: test.redis.url: must begin with redis://, redis+sentinel:// or redis+cluster://, with TLS rediss://, rediss+sentinel:// or rediss+cluster://, not http://',
  ]);
  expect(complaintsAbout({ CONFIG_FILE, NODE_ENV: 'development' })).toEqual(['config.yml: development: must be a map']);
});
