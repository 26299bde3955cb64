import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { projectDirectory } from '../../support/script.js';

/** A minified bundle as a page would load it, without Socket.IO. @param code what the page imports */
async function bundle(code: string) {
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: projectDirectory },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    external: ['socket.io-client'],
    conditions: ['source'],
  });
  const inputs = Object.keys(metafile.inputs).filter((path) => path !== '<stdin>');
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path));
  return { kilobytes: gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length / 1024, inputs, imports };
}

const page = await readFile(`${projectDirectory}shared/client/README.md`, 'utf8');

test('the client costs a page a few kilobytes, and loads neither contracts nor zod', async () => {
  const small = await bundle("export { connect } from './shared/client/index.ts'");
  const all = await bundle("export * from './shared/client/index.ts'");
  expect(all.inputs.filter((path) => !path.startsWith('shared/client/'))).toEqual([]);
  expect(new Set(all.imports)).toEqual(new Set(['socket.io-client']));
  const [, connecting, everything] = /loads (\d+) KB \(gzip\).* (\d+) KB with/s.exec(page)?.map(Number) ?? [];
  expect([connecting, everything]).toEqual([Math.ceil(small.kilobytes), Math.ceil(all.kilobytes)]);
  expect(everything).toBeLessThanOrEqual(8);
});

test('the client for backends loads no package', async () => {
  const { kilobytes, inputs, imports } = await bundle("export * from './shared/backend/index.ts'");
  expect(inputs.filter((path) => !/^shared\/(?:backend|client)\//.test(path))).toEqual([]);
  expect(imports).toEqual([]);
  expect(kilobytes).toBeLessThan(4);
});
