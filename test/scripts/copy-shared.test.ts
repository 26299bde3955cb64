import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { projectDirectory, runSource } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

const copy = (...args: string[]) => runSource('scripts/copy-shared.ts', args);

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

test('copies name their origin, and otherwise equal the originals', async () => {
  const directory = join(await temporaryDirectory(), 'not', 'made', 'yet');
  expect(await copy(directory)).toMatchObject({ code: 0 });
  for (const path of ['models/user.ts', 'contracts/emit-api.ts']) {
    const [first = '', ...rest] = (await readFile(join(directory, path), 'utf8')).split('\n');
    expect(first).toMatch(new RegExp(`^// Do not edit: .*general-socket/shared/${path}`));
    expect(rest.join('\n')).toBe(await readFile(`${projectDirectory}shared/${path}`, 'utf8'));
  }
  expect(await copy('--check', directory)).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('a check names what is stale, missing and extra, changes nothing, and a copy fixes it', async () => {
  const directory = await temporaryDirectory();
  await copy(directory);
  const stale = join(directory, 'models/user.ts');
  const extra = join(directory, 'contracts/left-behind.ts');
  await appendFile(stale, '// edited\n');
  await rm(join(directory, 'models/socket.ts'));
  await writeFile(extra, await readFile(join(directory, 'contracts/contract.ts'), 'utf8'));
  const complaint = 'missing: models/socket.ts\nstale: models/user.ts\nextra: contracts/left-behind.ts\n';
  expect(await copy('--check', directory)).toEqual({ code: 1, stdout: complaint, stderr: '' });
  expect(await readFile(stale, 'utf8')).toContain('// edited');

  expect(await copy(directory)).toMatchObject({ code: 0 });
  expect(await copy('--check', directory)).toMatchObject({ code: 0 });
  await expect(readFile(extra)).rejects.toMatchObject({ code: 'ENOENT' });
});

test("a service's own files are neither extra nor overwritten", async () => {
  const directory = await temporaryDirectory();
  await put(join(directory, 'models/invoice.ts'), 'export const own = 1;\n');
  await put(join(directory, 'src/contract.ts'), 'export const own = 2;\n');
  expect(await copy(directory)).toMatchObject({ code: 0 });
  expect(await copy('--check', directory)).toMatchObject({ code: 0 });

  await put(join(directory, 'models/user.ts'), 'export const own = 3;\n');
  expect(await copy('--check', directory)).toMatchObject({ code: 1, stdout: 'not a copy: models/user.ts\n' });
  const { code, stderr } = await copy(directory);
  expect(code).toBe(1);
  expect(stderr).toContain('models/user.ts');
  expect(await readFile(join(directory, 'models/user.ts'), 'utf8')).toBe('export const own = 3;\n');
});
