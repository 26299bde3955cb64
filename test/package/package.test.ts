import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBackend } from '#shared/backend/index.js';
import { buildConsole } from '../../scripts/build-console.js';
import { startGateway } from '../../src/testing/index.js';
import { useBrowser } from '../support/browser.js';
import { startProgram } from '../support/program.js';
import { projectDirectory } from '../support/script.js';
import { serveDirectory } from '../support/static-server.js';
import { until } from '../support/until.js';

const run = promisify(execFile);
const modules = join(projectDirectory, 'node_modules');
const tsc = join(modules, 'typescript/bin/tsc');
const sources = join(projectDirectory, 'test/package/foreign');

/**
 * Runs the compiler in a directory. Its threads each check what they share, and its collector of garbage runs often: one thread with
 * more memory takes half of the CPU time.
 */
const compile = (args: readonly string[], cwd?: string) =>
  run(process.execPath, [tsc, '--singleThreaded', ...args], { cwd, env: { ...process.env, GOGC: '400' } });

/** The tarball of `npm pack`. Built elsewhere, because other tests may use `dist`. */
async function pack(stage: string): Promise<{ tarball: string; files: string[] }> {
  await mkdir(stage);
  for (const name of ['package.json', 'README.md']) await cp(join(projectDirectory, name), join(stage, name));
  // The types are checked by the lint, and again below where they are used.
  const to = ['--noCheck', '--outDir', join(stage, 'dist')];
  await Promise.all([
    compile(['-p', join(projectDirectory, 'tsconfig.build.json'), '--incremental', 'false', ...to]),
    compile(['-p', join(projectDirectory, 'tsconfig.types.json'), ...to]),
    buildConsole(join(stage, 'dist/src/console')),
  ]);
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json'], { cwd: stage });
  const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
  if (packed === undefined) throw new Error('npm packed nothing');
  return { tarball: join(stage, packed.filename), files: packed.files.map(({ path }) => path) };
}

/** A project that has installed the tarball. Its dependencies are links to those of this project. */
async function install(tarball: string, project: string): Promise<void> {
  const own = join(project, 'node_modules/general-socket');
  await mkdir(own, { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', own, '--strip-components=1']);
  const { dependencies } = JSON.parse(await readFile(join(own, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(dependencies), '@types/node']) {
    await mkdir(join(project, 'node_modules', name, '..'), { recursive: true });
    await symlink(join(modules, name), join(project, 'node_modules', name));
  }
  await writeFile(join(project, 'package.json'), JSON.stringify({ name: 'foreign', private: true, type: 'module' }));
  for (const name of await readdir(sources)) await cp(join(sources, name), join(project, name));
  for (const name of typedExamples) await cp(join(projectDirectory, 'scripts/examples', name), join(project, name));
}

/** Examples that use the package. */
const typedExamples = ['typed-client.mjs', 'typed-backend.mjs'];

const browser = useBrowser();

let directory: string;
let packed: Awaited<ReturnType<typeof pack>>;
let project: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  project = join(directory, 'foreign');
  packed = await pack(join(directory, 'stage'));
  await install(packed.tarball, project);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('the packed package', () => {
  test('holds what is built, its types, and nothing else', () => {
    const page = ['index.html', 'main.css', 'main.js'].map((name) => `dist/src/console/${name}`);
    expect(packed.files.filter((path) => path.startsWith('dist/src/console/')).sort()).toEqual(page);
    const others = packed.files.filter(
      (path) => !/^(?:package\.json|README\.md|dist\/(?:src|shared)\/.+\.(?:js|d\.ts))$/.test(path),
    );
    expect(others.filter((path) => !page.includes(path))).toEqual([]);
    expect(packed.files).toContain('dist/src/main.js');
    expect(packed.files).toContain('dist/src/embedded/process/child.js');
  });

  test('has types that resolve in every entry', async () => {
    const data = createPackageFromTarballData(new Uint8Array(await readFile(packed.tarball)));
    const result = await checkPackage(data);
    if (!result.types) throw new Error('the package has no types');
    expect(Object.keys(result.entrypoints).sort()).toEqual([
      './backend',
      './client',
      './contracts',
      './package.json',
      './testing',
    ]);
    // The package is for ES modules: CommonJS loads it by `import()` or, from Node.js 22, by `require`.
    const problems = result.problems.filter((problem) => {
      const resolution = 'resolutionKind' in problem ? problem.resolutionKind : undefined;
      return resolution !== 'node10' && resolution !== 'node16-cjs';
    });
    expect(problems).toEqual([]);
  });

  test('follows the rules of publint', async () => {
    const { messages, pkg } = await publint({
      pkgDir: join(project, 'node_modules/general-socket'),
      pack: false,
      strict: true,
    });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });
});

describe('another project that installed it', () => {
  test('uses the test kit and the typed clients from JavaScript', async () => {
    const { stdout } = await run(process.execPath, ['use.js'], { cwd: project });
    expect(stdout).toBe('done\n');
  });

  test('runs the examples that use the package', async () => {
    await using gateway = await startGateway();
    const client = startProgram(process.execPath, ['typed-client.mjs', gateway.token('ada'), gateway.url], {
      cwd: project,
    });
    await client.line(/^connected/);
    const send = (key: string) =>
      startProgram(process.execPath, ['typed-backend.mjs', 'ada', gateway.url], {
        cwd: project,
        env: { GATEWAY_KEY: key },
      });
    expect(await send(gateway.apiKey).line(/./)).toMatch(/^stored as [0-9a-f]{24}, sent$/);
    expect(await client.line(/^notification/)).toBe('notification New Lead');
    expect(await send('another key').line(/./)).toMatch(/^not sent: .*INVALID_API_KEY/);
    const refused = startProgram(process.execPath, ['typed-client.mjs', 'not.a.token', gateway.url], { cwd: project });
    expect(await refused.line(/^cannot connect/)).toContain('INVALID_TOKEN');
    expect(await refused.ended).toBe(1);
  });

  test('shows the page in a browser, by its import map', async () => {
    const page = await readFile(join(projectDirectory, 'scripts/examples/page.html'), 'utf8');
    const origin = await serveDirectory(project);
    await using gateway = await startGateway({ settings: { CORS_ORIGINS: origin } });
    await writeFile(join(project, 'page.html'), page.replaceAll('http://localhost:4000', gateway.url));
    const open = (token: string) => browser.open(`${origin}/page.html#${token}`, { alsoCalls: gateway.url });

    const backend = createBackend({ url: gateway.url, apiKey: gateway.apiKey });
    const waiting = await backend.emitDurable('eve', 'notification', { title: 'waited' });
    const shown = await open(gateway.token('eve'));
    await shown.sees('notification: waited');
    const live = await backend.emitDurable('eve', 'notification', { title: '<b>live</b>' });
    await shown.sees('notification: <b>live</b>');
    for (const { id } of [waiting, live]) await until(async () => (await backend.status(id)).state === 'acked');
    expect(await shown.accessibilityFaults()).toEqual([]);
    expect(shown.takeFaults()).toEqual([]);
    await (await open('not.a.token')).sees('refused: INVALID_TOKEN');
  });

  test('compiles with the modules node16 and esnext, also the examples, and runs', async () => {
    const common = ['--strict', '--target', 'es2022', '--types', 'node', '--allowJs'];
    const compileFor = async (module: string, resolution: string): Promise<string> => {
      const options = [
        ...common,
        '--module',
        module,
        '--moduleResolution',
        resolution,
        '--outDir',
        `out-${resolution}`,
      ];
      const compiled = compile(['use.ts', ...typedExamples, ...options], project);
      const { stdout: faults } = await compiled.catch((error: { stdout: string }) => error);
      expect(faults, resolution).toBe('');
      return readFile(join(project, `out-${resolution}`, 'use.js'), 'utf8');
    };
    const [ofNode, ofBundler] = await Promise.all([compileFor('node16', 'node16'), compileFor('esnext', 'bundler')]);
    // So one of them needs to run.
    expect(ofBundler).toBe(ofNode);
    const { stdout } = await run(process.execPath, [join('out-node16', 'use.js')], { cwd: project });
    expect(stdout).toBe('done\n');
  });
});
