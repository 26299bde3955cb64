import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureDevelopmentSecret } from '../../src/auth/development-secret.js';

const moduleUrl = new URL('../../src/auth/development-secret.ts', import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));
let parent: string;
let directory: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'development-secret-'));
  directory = join(parent, 'data');
});

afterEach(() => rm(parent, { recursive: true, force: true }));

test('creates the secret once, readable by the owner only', async () => {
  const secret = await ensureDevelopmentSecret(directory);
  expect(secret).toMatch(/^[0-9a-f]{64}$/);
  expect(await ensureDevelopmentSecret(directory)).toBe(secret);
  expect(await readFile(join(directory, 'jwt-secret'), 'utf8')).toBe(secret);
  expect((await stat(join(directory, 'jwt-secret'))).mode & 0o777).toBe(0o600);
  expect(await readdir(directory)).toEqual(['jwt-secret']);
});

test('creates a different secret in another directory', async () => {
  expect(await ensureDevelopmentSecret(directory)).not.toBe(await ensureDevelopmentSecret(join(parent, 'other')));
});

test('gives concurrent starts in one process the same secret', async () => {
  /** Begins some file operations later, so that the starters meet the maker at each of its steps. */
  const startAfter = async (operations: number): Promise<string> => {
    for (let done = 0; done < operations; done += 1) await stat(parent);
    return ensureDevelopmentSecret(directory);
  };
  const secrets = await Promise.all(Array.from({ length: 50 }, (_, index) => startAfter(index)));
  expect(new Set(secrets).size).toBe(1);
  expect(await readdir(directory)).toEqual(['jwt-secret']);
});

test('gives processes that start at once the same secret', async () => {
  const script = `import { ensureDevelopmentSecret } from '${moduleUrl}';
    process.stdout.write(await ensureDevelopmentSecret(process.argv[1]));`;
  const run = promisify(execFile);
  const outputs = await Promise.all(
    Array.from({ length: 3 }, () =>
      run(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script, directory], { cwd: root }),
    ),
  );
  const secrets = new Set(outputs.map(({ stdout }) => stdout));
  expect([...secrets]).toEqual([await ensureDevelopmentSecret(directory)]);
});

test('accepts a secret with a trailing line break', async () => {
  const secret = await ensureDevelopmentSecret(directory);
  await writeFile(join(directory, 'jwt-secret'), `${secret}\n`);
  expect(await ensureDevelopmentSecret(directory)).toBe(secret);
});

test.each(['', 'short', 'x'.repeat(64)])('neither uses nor replaces a file with the content "%s"', async (text) => {
  await ensureDevelopmentSecret(directory);
  await writeFile(join(directory, 'jwt-secret'), text);
  await expect(ensureDevelopmentSecret(directory)).rejects.toThrow('remove it to get a new one');
  expect(await readFile(join(directory, 'jwt-secret'), 'utf8')).toBe(text);
});

test('reports a directory that cannot be created', async () => {
  await writeFile(join(parent, 'file'), '');
  await expect(ensureDevelopmentSecret(join(parent, 'file', 'data'))).rejects.toThrow('ENOTDIR');
});
