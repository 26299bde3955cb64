import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runScript } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

async function audit(packages: Record<string, { version: string; dev?: boolean }>) {
  const path = join(await temporaryDirectory(), 'package-lock.json');
  await writeFile(path, JSON.stringify({ packages }));
  return runScript('scripts/audit.ts', [path]);
}

test('audit names a vulnerable production dependency, however deep it is installed', async () => {
  const { code, stderr } = await audit({
    'node_modules/socket.io/node_modules/engine.io': { version: '6.6.12' },
    'node_modules/jsonwebtoken': { version: '9.0.3' },
  });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^vulnerable: engine\.io 6\.6\.12: .+\n$/);
});

test('audit accepts fixed versions, and vulnerable packages that only development uses', async () => {
  const result = await audit({
    'node_modules/engine.io': { version: '6.6.13' },
    'node_modules/ws': { version: '8.17.0', dev: true },
    'node_modules/engine.io-client': { version: '6.6.8' },
  });
  expect(result).toMatchObject({ code: 0, stderr: '' });
});

test('the locked dependencies of this project have no vulnerability in the list', async () => {
  expect(await runScript('scripts/audit.ts', ['package-lock.json'])).toMatchObject({ code: 0, stderr: '' });
});
