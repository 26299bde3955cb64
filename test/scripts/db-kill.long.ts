import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openBackup } from '../../src/embedded/maintenance/backup-file.js';
import { serveInTest } from '../embedded/maintenance/served-directory.js';
import { createRandom } from '../support/random.js';
import { compiled, projectDirectory, runScript } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { contentOf } from './moved.js';

const ROUNDS = 10;
const random = createRandom(Date.now());

/** Starts the script and kills it after a random time. @returns whether it had ended by itself */
async function runAndKill(args: readonly string[], maxMs: number): Promise<boolean> {
  const child = spawn(process.execPath, [compiled('scripts/db.ts'), ...args], {
    cwd: projectDirectory,
    stdio: 'ignore',
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), random.integer(maxMs));
  const [, signal] = await once(child, 'exit');
  clearTimeout(timer);
  return signal === null;
}

test('a backup and a move that are killed at any moment leave nothing half', async () => {
  const source = await serveInTest();
  const db = source.client.db('general-socket');
  await db.collection('many').createIndex({ text: 1 });
  for (let part = 0; part < 40; part += 1) {
    const documents = Array.from({ length: 1000 }, (_, n) => ({ text: `${part} ${n}`.padEnd(1000, '.') }));
    await db.collection('many').insertMany(documents);
  }
  const startedAt = Date.now();
  const directory = await temporaryDirectory();
  const first = join(directory, 'first');
  expect(await runScript('scripts/db.ts', ['--backup', first, '--data', source.directory])).toMatchObject({ code: 0 });
  const tookMs = Date.now() - startedAt;
  let finished = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const file = join(directory, 'killed');
    if (await runAndKill(['--backup', file, '--data', source.directory], tookMs * 1.2)) finished += 1;
    if (!existsSync(file)) continue;
    (await openBackup(file)).close();
    rmSync(file);
  }
  expect(finished).toBeLessThan(ROUNDS);

  const content = await contentOf(db);
  await source.stop();
  const target = await serveInTest();
  const args = ['--to', target.url('moved'), '--from', first];
  let killed = 0;
  for (let round = 0; round < ROUNDS; round += 1) if (!(await runAndKill(args, tookMs * 3))) killed += 1;
  expect(killed).toBeGreaterThan(0);
  expect(await runScript('scripts/db.ts', args)).toMatchObject({ code: 0, stderr: '' });
  expect(await contentOf(target.client.db('moved'))).toEqual(content);
}, 900_000);
