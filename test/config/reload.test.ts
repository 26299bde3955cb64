import { appendFile, mkdir, rename, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createReload } from '../../src/config/reload.js';
import { type Config, readSettings } from '../../src/config.js';
import { createTestClock } from '../support/clock.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** Reads a secret file and a `.env` of its own. */
async function createSetup() {
  const directory = await temporaryDirectory();
  const secret = join(directory, 'jwt');
  await writeFile(secret, 'first');
  const sources = { env: { JWT_SECRETS_FILE: secret }, envFile: join(directory, '.env') };
  const log: unknown[] = [];
  const keep = (first: unknown) => void log.push(first);
  const started = readSettings(sources);
  let inForce = started.config?.auth.jwtSecrets;
  const reload = createReload({
    sources,
    started,
    clock: createTestClock(),
    logger: { info: keep, warn: keep, error: keep },
    replaceSecrets({ auth }: Config) {
      const isChanged = JSON.stringify(auth.jwtSecrets) !== JSON.stringify(inForce);
      inForce = auth.jwtSecrets;
      return isChanged;
    },
  });
  return {
    directory,
    secret,
    log,
    reload,
    /** The secrets in force after so many looks at the files. */
    async after(looks: number) {
      for (let look = 0; look < looks; look += 1) await reload.look();
      return inForce;
    },
  };
}

test('a file that is written, replaced, or behind a replaced link is read again', async () => {
  const { directory, secret, after } = await createSetup();
  expect(await after(2)).toEqual(['first']);
  await writeFile(secret, 'second\n');
  expect(await after(2)).toEqual(['second']);
  await writeFile(`${secret}.new`, 'third');
  await rename(`${secret}.new`, secret);
  expect(await after(2)).toEqual(['third']);
  // Of the same size and time, as a restored backup.
  const { mtime } = await stat(secret);
  await writeFile(`${secret}.new`, 'drei!');
  await utimes(`${secret}.new`, mtime, mtime);
  await rename(`${secret}.new`, secret);
  expect(await after(2)).toEqual(['drei!']);
  await mkdir(join(directory, 'v2'));
  await writeFile(join(directory, 'v2', 'jwt'), 'fourth');
  await symlink(join('v2', 'jwt'), `${secret}.new`);
  await rename(`${secret}.new`, secret);
  expect(await after(2)).toEqual(['fourth']);
  await mkdir(join(directory, 'v3'));
  await writeFile(join(directory, 'v3', 'jwt'), 'fifth');
  await rename(join(directory, 'v2'), join(directory, 'v1'));
  await rename(join(directory, 'v3'), join(directory, 'v2'));
  expect(await after(2)).toEqual(['fifth']);
});

test('a .env that appears later is read, and settings that need a restart are named once', async () => {
  const { directory, after, log } = await createSetup();
  const path = join(directory, '.env');
  await writeFile(path, 'JWT_SECRET=a\n');
  expect(await after(2)).toEqual(['a', 'first']);
  await writeFile(path, 'JWT_SECRET=b\nPORT=81\nMAILBOX_MAX=5\nSITE_NAME=news\nAUTH_URL=http://x\nAPI_KEY=k\n');
  expect(await after(2)).toEqual(['b', 'first']);
  await writeFile(path, 'JWT_SECRET=c\nPORT=81\nMAILBOX_MAX=5\nSITE_NAME=news\nAUTH_URL=http://x\nAPI_KEY=l\n');
  expect(await after(5)).toEqual(['c', 'first']);
  const replaced = 'settings: secrets replaced';
  const names = ['AUTH_URL', 'MAILBOX_MAX', 'PORT', 'SITE_NAME', 'SITES_FILE'];
  expect(log).toEqual([replaced, replaced, { names }, replaced]);
});

test('a file whose writing is not finished is not read', async () => {
  const { secret, after } = await createSetup();
  expect(await after(2)).toEqual(['first']);
  await writeFile(secret, '');
  expect(await after(1)).toEqual(['first']);
  await appendFile(secret, 'sec');
  expect(await after(1)).toEqual(['first']);
  await appendFile(secret, 'ond');
  expect(await after(1)).toEqual(['first']);
  expect(await after(1)).toEqual(['second']);
});

test('an invalid change is logged once, leaves the secrets in force, and can be mended', async () => {
  const { secret, after, log } = await createSetup();
  await writeFile(secret, '\n');
  expect(await after(6)).toEqual(['first']);
  expect(log).toEqual([{ problems: [`JWT_SECRETS_FILE: ${secret} is empty`] }]);
  await writeFile(secret, 'second');
  expect(await after(2)).toEqual(['second']);
});

test('without a change nothing is logged', async () => {
  const { reload, after, log } = await createSetup();
  reload.now();
  await after(5);
  expect(log).toEqual([]);
});
