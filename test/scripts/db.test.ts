import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runScript } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

test('npm run db opens the database of the gateway, unless another is given', async () => {
  // A file where a directory should be: who opens it says so.
  const path = join(await temporaryDirectory(), 'no-directory');
  await writeFile(path, '');
  for (const [args, env] of [
    [['--port', '0'], { DATA_DIR: path }],
    [['--port', '0', '--data', join(path, 'db')], {}],
  ] as const) {
    const { code, stderr } = await runScript('scripts/db.ts', [...args], env);
    expect([code, stderr]).toEqual([1, expect.stringContaining(join(path, 'db'))]);
  }
});

test.each(['abc', '99999', ''])('npm run db refuses the port %j', async (port) => {
  const directory = await temporaryDirectory();
  const { code, stderr } = await runScript('scripts/db.ts', ['--port', port, '--data', directory]);
  expect([code, stderr]).toEqual([2, expect.stringContaining(`'${port}' is no port`)]);
});
