import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { compiled, projectDirectory, runSource } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

/** A program that takes the arguments of mongod, and is the embedded database. */
async function standIn(directory: string): Promise<string> {
  const path = join(directory, 'mongod');
  const program = [process.execPath, compiled('test/support/mongod-stand-in.ts')];
  await writeFile(
    path,
    `#!/bin/sh\ncd '${projectDirectory}' && exec ${program.map((part) => `'${part}'`).join(' ')} "$@"\n`,
  );
  await chmod(path, 0o755);
  return path;
}

test('prints what to install when there is no mongod', async () => {
  const { code, stderr } = await runSource('scripts/test-mongodb.ts', [], { MONGOD_BINARY: '/nowhere/mongod' });
  expect(code).toBe(1);
  expect(stderr.split('\n')).toHaveLength(2);
  expect(stderr).toMatch(
    /^\/nowhere\/mongod cannot be run\. The tests on MongoDB need mongod 6\.0 or newer\. .*MONGOD_BINARY/,
  );
});

test.each([
  ['test/support/database.test.ts', 0],
  ['no such test', 1],
])('runs %s on the server it starts, ends with its exit code, and removes its files', async (file, exitCode) => {
  const directory = await temporaryDirectory();
  const env = { MONGOD_BINARY: await standIn(directory), TMPDIR: directory, TEST_MONGODB_URL: undefined };
  const { code, stdout, stderr } = await runSource('scripts/test-mongodb.ts', [file], env);
  expect(stderr).toContain('db version v8');
  if (exitCode === 0) expect(stdout).toMatch(/mongodb:\/\/127\.0\.0\.1:\d+\/gs-test-.*replicaSet=rs0/);
  expect(code, stdout + stderr).toBe(exitCode);
  expect((await readdir(directory)).filter((name) => name.startsWith('general-socket-'))).toEqual([]);
});

test('the workflow runs it on every supported version', async () => {
  const text = await readFile(join(projectDirectory, '.github/workflows/mongodb.yml'), 'utf8');
  const { jobs } = parse(text);
  expect(jobs.test.strategy.matrix.mongodb).toEqual(['6.0', '7.0', '8.0']);
  expect(jobs.test.steps.map(({ run }: { run?: string }) => run)).toContain('npm run test:mongodb');
  expect(JSON.parse(await readFile(join(projectDirectory, 'package.json'), 'utf8')).scripts).toHaveProperty([
    'test:mongodb',
  ]);
});
