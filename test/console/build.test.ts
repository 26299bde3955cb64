import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildConsole } from '../../scripts/build-console.js';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'console-'));
  await buildConsole(directory);
});

afterAll(() => rm(directory, { recursive: true }));

test('is three files, which have less than 150 KB together when compressed', async () => {
  const names = await readdir(directory);
  expect(names.sort()).toEqual(['index.html', 'main.css', 'main.js']);
  const sizes = await Promise.all(
    names.map(async (name) => gzipSync(await readFile(join(directory, name))).byteLength),
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
});

test('comes with the licences of the packages in it', async () => {
  const text = await readFile(join(directory, 'main.js'), 'utf8');
  for (const name of ['preact', '@preact/signals', 'uplot']) {
    expect(text).toMatch(new RegExp(`\\n${name}\\n\\n[^]{0,40}MIT License[^]{0,20}\\n\\nCopyright`));
  }
});

test('loads nothing from elsewhere and has no inline script or style', async () => {
  const page = await readFile(join(directory, 'index.html'), 'utf8');
  const addresses = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address);
  expect(addresses.filter((address) => address?.startsWith('data:') === false)).toEqual([
    '/console/main.css',
    '/console/main.js',
  ]);
  expect(page).not.toMatch(/<style|style=|<script(?![^>]+src=)| on\w+=/);
  expect(await readFile(join(directory, 'main.css'), 'utf8')).not.toMatch(/url\(|@import/);
});
