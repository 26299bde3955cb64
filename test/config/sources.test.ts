import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SECRETS } from '../../src/config/secret-names.js';
import { environment, readConfig, readSettings } from '../../src/config.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** Writes a file of its own. @returns its path */
async function file(content: string | Uint8Array, name = 'secret'): Promise<string> {
  const path = join(await temporaryDirectory(), name);
  await writeFile(path, content);
  return path;
}

/** The problems of these settings. */
const problemsOf = (env: Record<string, string>, envFile?: string): readonly string[] =>
  readSettings({ env, ...(envFile !== undefined && { envFile }) }).problems;

const BOM = '\ufeff';
const utf16 = (text: string): Uint8Array => Buffer.from(BOM + text, 'utf16le');
const utf16BigEndian = (text: string): Uint8Array => Buffer.from(BOM + text, 'utf16le').swap16();

describe('a secret from a file', () => {
  test('is possible for every setting that holds one', async () => {
    // The value of a setting that ends in `_FILE` is a path.
    const secretive = Object.keys(environment.shape).filter(
      (name) => /SECRET|KEY|PASSWORD|ACCOUNT|DB_URL|REDIS_URL/.test(name) && !name.endsWith('_FILE'),
    );
    expect(Object.keys(SECRETS).sort()).toEqual(secretive.sort());
    const values: Record<string, string> = {
      MONGODB_URL: 'mongodb://user:pass@db/x',
      REDIS_URL: 'redis://:pass@cache',
      CONSOLE_KEYS: 'duty:read:a secret',
      FIREBASE_SERVICE_ACCOUNT: '{\n  "type": "service_account"\n}',
    };
    for (const name of Object.keys(SECRETS)) {
      const value = values[name] ?? 'a secret';
      const found = readSettings({ env: { [`${name}_FILE`]: await file(`${value}\n`) } });
      expect(found.variables[name], name).toBe(value);
      expect(found.problems, name).toEqual([]);
    }
  });

  test.each<[string, string | Uint8Array]>([
    ['no newline', 'value'],
    ['a newline', 'value\n'],
    ['a newline of Windows', 'value\r\n'],
    ['several newlines', 'value\n\n'],
    ['a byte order mark', `${BOM}value\n`],
    ['UTF-16', utf16('value\r\n')],
    ['UTF-16, big endian', utf16BigEndian('value\n')],
  ])('is read with %s', async (_name, content) => {
    expect(readConfig({ JWT_SECRET_FILE: await file(content) }).auth.jwtSecrets).toEqual(['value']);
  });

  test('keeps blanks, as in the environment', async () => {
    expect(readConfig({ JWT_SECRET_FILE: await file(' a b \n') }).auth.jwtSecrets).toEqual([' a b ']);
  });

  test('may be a list with one value a line, or with commas', async () => {
    const { auth } = readConfig({
      JWT_SECRET: 'first',
      JWT_SECRETS_FILE: await file('second\r\n\nthird\n'),
      EMIT_API_KEYS_FILE: await file('a, b\nc\n'),
    });
    expect(auth.jwtSecrets).toEqual(['first', 'second', 'third']);
    expect(auth.apiKeys).toEqual(['a', 'b', 'c']);
  });

  test('is followed through links, as Kubernetes mounts it', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, '..v1'));
    await writeFile(join(directory, '..v1', 'jwt'), 'old');
    await mkdir(join(directory, '..v2'));
    await writeFile(join(directory, '..v2', 'jwt'), 'new');
    await symlink('..v1', join(directory, '..data'));
    await symlink(join('..data', 'jwt'), join(directory, 'jwt'));
    const env = { JWT_SECRET_FILE: join(directory, 'jwt') };
    expect(readConfig(env).auth.jwtSecrets).toEqual(['old']);
    await symlink('..v2', join(directory, '..data_tmp'));
    await rename(join(directory, '..data_tmp'), join(directory, '..data'));
    expect(readConfig(env).auth.jwtSecrets).toEqual(['new']);
  });

  test('has one sentence for each problem, without the content', async () => {
    const directory = await temporaryDirectory();
    const missing = join(directory, 'nowhere');
    const [empty, blank, lines] = [await file('\n'), await file(' \n'), await file('hunter2\nhunter3\n')];
    const [binary, nul] = [await file(Buffer.from([0x68, 0xff, 0x10])), await file('a\0b')];
    expect(problemsOf({ JWT_SECRET_FILE: missing })).toEqual([
      `JWT_SECRET_FILE: ${missing} cannot be read: the file does not exist (ENOENT)`,
    ]);
    expect(problemsOf({ JWT_SECRET_FILE: directory })).toEqual([
      `JWT_SECRET_FILE: ${directory} cannot be read: it is a directory (EISDIR)`,
    ]);
    expect(problemsOf({ JWT_SECRET_FILE: empty })).toEqual([`JWT_SECRET_FILE: ${empty} is empty`]);
    expect(problemsOf({ EMIT_API_KEYS_FILE: blank })).toEqual([`EMIT_API_KEYS_FILE: ${blank} is empty`]);
    expect(problemsOf({ JWT_SECRET_FILE: lines })).toEqual([
      `JWT_SECRET_FILE: ${lines} has several lines; it must hold one value`,
    ]);
    expect(problemsOf({ JWT_SECRET_FILE: binary })).toEqual([`JWT_SECRET_FILE: ${binary} is not a text in UTF-8`]);
    expect(problemsOf({ JWT_SECRET_FILE: nul })).toEqual([`JWT_SECRET_FILE: ${nul} is not a text in UTF-8`]);
    expect(problemsOf({ MONGODB_URL_FILE: await file('http://hunter2@db') }).join()).not.toContain('hunter2');
  });

  test('is refused beside the secret itself, wherever the two are set', async () => {
    const path = await file('secret');
    const both = 'JWT_SECRET is set too; remove one of the two';
    expect(problemsOf({ JWT_SECRET: 'x', JWT_SECRET_FILE: path })).toEqual([`JWT_SECRET_FILE: ${both}`]);
    const envFile = await file(`JWT_SECRET_FILE=${path}\n`, '.env');
    expect(problemsOf({ JWT_SECRET: 'x' }, envFile)).toEqual([`${envFile}: JWT_SECRET_FILE: ${both}`]);
    const CONFIG_FILE = await file('test: { JWT_SECRET: x }', 'config.yml');
    expect(problemsOf({ NODE_ENV: 'test', CONFIG_FILE, JWT_SECRET_FILE: path })).toEqual([`JWT_SECRET_FILE: ${both}`]);
    // An empty value counts as absent.
    expect(problemsOf({ JWT_SECRET: '', JWT_SECRET_FILE: path })).toEqual([]);
  });

  test('is checked like the secret itself, and named by its setting', async () => {
    const env = { NODE_ENV: 'production', EMIT_AUTH: 'none', JWT_SECRET_FILE: await file('short\n') };
    expect(problemsOf(env)).toEqual(['JWT_SECRET_FILE: a secret needs at least 32 bytes in production']);
  });

  test('may be named in config.yml', async () => {
    const CONFIG_FILE = await file(`test: { JWT_SECRET_FILE: ${await file('value')} }`, 'config.yml');
    expect(readConfig({ NODE_ENV: 'test', CONFIG_FILE }).auth.jwtSecrets).toEqual(['value']);
  });
});

describe('the keys of a push site', () => {
  const site = 'authUrl: http://x';

  test('may be several, in sites.yml, in a file and in the environment', async () => {
    const keys = await file('k3\nk4\n');
    const SITES_FILE = await file(
      `a: { ${site}, apiKey: k1, apiKeys: [k2, 'k,3'] }\nb: { ${site}, apiKeyFile: ${keys} }`,
      'sites.yml',
    );
    const env = { SITES_FILE, SITE_NAME: 'c', AUTH_URL: 'http://x', API_KEY: 'k5', API_KEYS: 'k6,k5' };
    expect(readConfig(env).sites.map(({ name, apiKeys }) => [name, ...apiKeys])).toEqual([
      ['c', 'k5', 'k6'],
      ['a', 'k1', 'k2', 'k,3'],
      ['b', 'k3', 'k4'],
    ]);
    expect(readSettings({ env }).files).toEqual(expect.arrayContaining([SITES_FILE, keys]));
  });

  test('have their own problems', async () => {
    const SITES_FILE = await file(
      `a: { ${site}, apiKeys: [] }\nb: { ${site}, apiKeys: [[x]] }\nc: { ${site}, apiKeyFile: /nowhere }\nd: { ${site}, apiKey: k, apiKeyFile: ${await file('k')} }`,
      'sites.yml',
    );
    expect(problemsOf({ SITES_FILE }).map((line) => line.slice(SITES_FILE.length + 2))).toEqual([
      'a.apiKeys: is blank',
      'b.apiKeys: must be a text',
      'c.apiKeyFile: /nowhere cannot be read: the file does not exist (ENOENT)',
      'd.apiKeyFile: apiKey is set too; remove one of the two',
    ]);
  });
});

describe('.env', () => {
  test.each<[string, string | Uint8Array]>([
    ['a byte order mark', `${BOM}PORT=81\r\nHOST=h\r\n`],
    ['UTF-16', utf16('PORT=81\r\nHOST=h\r\n')],
  ])('is read with %s', async (_name, content) => {
    expect(readConfig({}, await file(content, '.env')).http).toMatchObject({ port: 81, host: 'h' });
  });

  test('loses to the environment, and wins over an empty variable and over config.yml', async () => {
    const CONFIG_FILE = await file('test: { PORT: 83, HOST: c, BODY_LIMIT: 5 }', 'config.yml');
    const envFile = await file(`NODE_ENV=test\nPORT=81\nHOST=h\nCONFIG_FILE=${CONFIG_FILE}\n`, '.env');
    const { http } = readConfig({ PORT: '82', HOST: '' }, envFile);
    expect(http).toMatchObject({ port: 82, host: 'h', bodyLimitBytes: 5 });
  });

  test('names itself in problems', async () => {
    const envFile = await file('PORT=x\n', '.env');
    expect(problemsOf({}, envFile)).toEqual([`${envFile}: PORT: must be a whole number between 0 and 65535`]);
    expect(problemsOf({}, await temporaryDirectory())).toEqual([expect.stringContaining('it is a directory')]);
  });

  test('may be missing', () => {
    expect(problemsOf({}, '/nowhere/.env')).toEqual([]);
  });
});

describe('a name that resembles a setting', () => {
  const warningsOf = (env: Record<string, string>): readonly string[] => readSettings({ env }).warnings;

  test.each([
    ['JWT_SECERT', 'JWT_SECRET'],
    ['jwt_secret', 'JWT_SECRET'],
    ['JWTSECRET', 'JWT_SECRET'],
    ['JWT_SECRET_FLIE', 'JWT_SECRET_FILE'],
    ['MONGODB_URI', 'MONGODB_URL'],
    ['MONGO_DB_URL', 'MONGODB_URL'],
    ['REDIS_URI', 'REDIS_URL'],
    ['CORS_ORIGIN', 'CORS_ORIGINS'],
    ['EMIT_API_KEY', 'EMIT_API_KEYS'],
    ['TRUST_PROXYS', 'TRUST_PROXY'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['port', 'PORT'],
  ])('%s is named with %s', (name, setting) => {
    expect(warningsOf({ [name]: 'x' })).toEqual([`${name} has no effect; did you mean ${setting}?`]);
  });

  test('says that only secrets come from files', () => {
    expect(warningsOf({ DATA_DIR_FILE: 'x' })).toEqual([
      'DATA_DIR_FILE has no effect: DATA_DIR is no secret and cannot come from a file',
    ]);
  });

  test('is not found in names of other programs, and in settings themselves', () => {
    const others = [
      'PATH',
      'HOME',
      'HOSTNAME',
      'USER',
      'LANG',
      'TERM',
      'PWD',
      'SHLVL',
      'TZ',
      'POST',
      'HTTPS',
      'EDITOR',
    ];
    const more = [
      'NODE_OPTIONS',
      'NODE_PATH',
      'REDIS_PASSWORD',
      'KUBERNETES_SERVICE_HOST',
      'REDIS_PORT',
      'npm_command',
    ];
    const settings = [...Object.keys(environment.shape), ...Object.keys(SECRETS).map((name) => `${name}_FILE`)];
    expect(warningsOf(Object.fromEntries([...others, ...more, ...settings].map((name) => [name, '1'])))).toEqual([]);
  });

  test('is found in .env as well', async () => {
    const envFile = await file('MONGODB_URI=x\n', '.env');
    expect(readSettings({ env: {}, envFile }).warnings).toEqual([
      `${envFile}: MONGODB_URI has no effect; did you mean MONGODB_URL?`,
    ]);
  });
});

test('an invalid configuration names what has no effect, too: it may be the missing setting', () => {
  const env = { NODE_ENV: 'production', JWT_SECERT: 'x'.repeat(16), EMIT_AUTH: 'none' };
  expect(() => readConfig(env)).toThrow(
    /^The configuration is invalid:\n {2}JWT_SECRET: [^\n]+\n {2}JWT_SECERT has no effect; did you mean JWT_SECRET\?$/,
  );
});
