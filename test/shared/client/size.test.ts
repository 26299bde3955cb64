import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { projectDirectory } from '../../support/script.js';

/** A minified bundle as a page would load it, without Socket.IO. */
async function bundle(entry: string) {
  const { outputFiles, metafile } = await build({
    ...{ entryPoints: [`${projectDirectory}${entry}`], bundle: true, minify: true, write: false, metafile: true },
    ...{ format: 'esm', target: 'es2022', platform: 'browser', external: ['socket.io-client'], conditions: ['source'] },
  });
  const inputs = Object.keys(metafile.inputs);
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path));
  return { gzippedBytes: gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length, inputs, imports };
}

test('the client costs a page a few kilobytes, and loads neither contracts nor zod', async () => {
  const { gzippedBytes, inputs, imports } = await bundle('shared/client/index.ts');
  expect(inputs.filter((path) => !path.startsWith('shared/client/'))).toEqual([]);
  expect(new Set(imports)).toEqual(new Set(['socket.io-client']));
  expect(gzippedBytes).toBeLessThan(6 * 1024);
  // The page of the client says so.
  expect(gzippedBytes).toBeGreaterThan(3 * 1024);
});

test('the client for backends loads no package', async () => {
  const { gzippedBytes, inputs, imports } = await bundle('shared/backend/index.ts');
  expect(inputs.filter((path) => !/^shared\/(?:backend|client)\//.test(path))).toEqual([]);
  expect(imports).toEqual([]);
  expect(gzippedBytes).toBeLessThan(4 * 1024);
});
