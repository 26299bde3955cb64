import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { nodeVersionProblem, OLDEST_NODE } from '../../src/platform/node-version.js';
import { exitCodes } from '../../src/platform/start-error.js';
import { projectDirectory } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { failStart, failures, runFailure } from './start-failures.js';

/** The rest is in `start.long.ts`. */
const SAMPLE = ['an old Node.js', 'an invalid configuration', 'a DATA_DIR that is in use', 'a Redis that is away'];

test.each(failures.filter(({ name }) => SAMPLE.includes(name)))(
  'a start fails with $code and one sentence: $name',
  async (failure) => {
    const { code, stderr, stdout } = await runFailure(failure);
    expect(stderr.trimEnd()).toMatch(failure.sentence);
    expect([code, stdout]).toEqual([failure.code, '']);
    expect(stderr).not.toMatch(/hunter2|\n {4}at /);
  },
);

test('a signal while the gateway loads ends the process, also as process 1 of a container', async () => {
  // Sent as soon as there is a listener: without one process 1 ignores it.
  const preload = `process.on('newListener', (event) => {
    if (event === 'SIGTERM') setImmediate(() => process.kill(process.pid, 'SIGTERM'));
  });`;
  const directory = await temporaryDirectory();
  const { code, stderr, stdout } = await failStart(directory, { LOG_LEVEL: 'info' }, preload);
  expect({ code, stderr, stdout }).toEqual({ code: exitCodes.STOPPED, stderr: '', stdout: '' });
});

test('exit codes are distinct, and the page of operation has each', async () => {
  const codes = Object.values(exitCodes);
  expect(new Set(codes).size).toBe(codes.length);
  const page = await readFile(`${projectDirectory}scripts/operate/README.md`, 'utf8');
  const [, chapter = ''] = page.split(/^#+ Exit codes$/m);
  const documented = [...(chapter.split(/^#+ /m)[0] ?? '').matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  expect(documented).toEqual(codes);
});

test('the oldest Node.js is that of package.json, and versions are compared as numbers', async () => {
  const { engines } = JSON.parse(await readFile(`${projectDirectory}package.json`, 'utf8'));
  expect(engines.node).toBe(`>=${OLDEST_NODE}`);
  expect(['20.19.0', '20.20.0', '22.0.0', '24.1.0', '100.0.0'].map(nodeVersionProblem)).toEqual(
    Array(5).fill(undefined),
  );
  for (const version of ['20.18.9', '20.9.0', '18.20.4', '9.99.0'])
    expect(nodeVersionProblem(version)).toContain(version);
});

test('the entry of the process loads nothing that an old Node.js cannot load before it has checked the version', async () => {
  const entry = await readFile(`${projectDirectory}src/main.ts`, 'utf8');
  const imported = [...entry.matchAll(/^import .* from '(.*)';$/gm)].map(([, path = '']) => path);
  expect(imported).toEqual([
    './platform/logging/output-errors.js',
    './platform/node-version.js',
    './platform/start-error.js',
  ]);
  for (const path of imported) {
    const text = await readFile(`${projectDirectory}src/${path.replace('.js', '.ts')}`, 'utf8');
    expect(text, path).not.toMatch(/^import /m);
  }
});
