import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compiled, type Ended } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** Runs `npm run check-config` in a directory, with nothing but these variables. */
function check(cwd: string, env: Record<string, string>, args: readonly string[] = []): Promise<Ended> {
  const command = [compiled('scripts/check-config.ts'), ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, { cwd, env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

test('check-config shows what would be used and from where, without secrets', async () => {
  const directory = await temporaryDirectory();
  const secret = join(directory, 'jwt');
  await writeFile(secret, 'hunter2-of-the-users\n');
  await writeFile(join(directory, '.env'), `PORT=81\nHOST=ignored\nJWT_SECRET_FILE=${secret}\n`);
  await writeFile(join(directory, 'config.yml'), 'production: { LOG_LEVEL: warn }\ntest: { BODY_LIMIT: 5 }\n');
  await writeFile(join(directory, 'sites.yml'), 'news: { authUrl: "http://x/rooms", apiKeys: [hunter2, hunter3] }\n');
  const env = {
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    EMIT_API_KEYS: 'hunter2,hunter22',
    MONGODB_URL: 'mongodb://user:hunter2@db.example:27017/gs?replicaSet=rs0',
    REDIS_URL: 'redis://:hunter2@cache.example:6379/1',
    FIREBASE_SERVICE_ACCOUNT: '{"private_key":"hunter2"}',
    CORS_ORIGIN: 'https://a.example',
  };
  const { code, stdout, stderr } = await check(directory, env);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).not.toContain('hunter2');
  const lines = stdout.split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'HOST=127.0.0.1  (environment)',
      'PORT=81  (.env)',
      'BODY_LIMIT=5  (config.yml)',
      `JWT_SECRET=*** (20 bytes)  (${secret})`,
      'EMIT_API_KEYS=*** (7, 8 bytes)  (environment)',
      'MONGODB_URL=mongodb://***@db.example:27017/gs?replicaSet=rs0  (environment)',
      'REDIS_URL=redis://***@cache.example:6379/1  (environment)',
      'FIREBASE_SERVICE_ACCOUNT=*** (25 bytes)  (environment)',
      '/news: http://x/rooms, 2 keys',
      'Warning: CORS_ORIGIN has no effect; did you mean CORS_ORIGINS?',
      'The configuration is valid.',
    ]),
  );
  expect(stdout).not.toContain('(default)');
});

test('check-config fails for what the gateway would refuse, and shows defaults on request', async () => {
  const env = { NODE_ENV: 'production', JWT_SECRET: 'hunter2', PORT: 'x', REDIS_URL: 'http://user:hunter2/x@cache' };
  const { code, stdout } = await check(await temporaryDirectory(), env, ['--all']);
  expect(code).toBe(78);
  expect(stdout).not.toContain('hunter2');
  expect(stdout.split('\n')).toEqual(
    expect.arrayContaining([
      'DATA_DIR=data  (default)',
      'PORT=x  (environment)',
      'Invalid: PORT: must be a whole number between 0 and 65535',
      'Invalid: JWT_SECRET: a secret needs at least 32 bytes in production',
      expect.stringMatching(/^Invalid: REDIS_URL: must begin with redis:/),
      expect.stringMatching(/^Invalid: EMIT_API_KEYS: production needs/),
    ]),
  );
  expect(stdout).not.toContain('is valid');
});
