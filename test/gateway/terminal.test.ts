import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { connect } from '../support/client.js';
import { API_KEY, SECRET } from '../support/gateway.js';
import { projectDirectory } from '../support/script.js';

/** A checkout of its own, because `npm start` builds. */
let checkout: string;

beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const copied = ['package.json', 'tsconfig.json', 'src', 'shared', 'scripts', 'test'];
  await Promise.all(copied.map((name) => cp(join(projectDirectory, name), join(checkout, name), { recursive: true })));
  await symlink(join(projectDirectory, 'node_modules'), join(checkout, 'node_modules'));
  const build = JSON.parse(await readFile(join(projectDirectory, 'tsconfig.build.json'), 'utf8'));
  // The lint checks the types.
  build.compilerOptions.noCheck = true;
  await writeFile(join(checkout, 'tsconfig.build.json'), JSON.stringify(build));
});
afterAll(() => rm(checkout, { recursive: true, force: true }));

/** Runs an npm script as a shell does in a terminal: in a process group of its own, which Ctrl-C signals as a whole. */
function runInTerminal(script: readonly string[]): { npm: ChildProcess; url: Promise<string> } {
  const npm = spawn('npm', script, {
    cwd: checkout,
    detached: true,
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_ENV: 'test',
      HOST: '127.0.0.1',
      PORT: '0',
      JWT_SECRET: SECRET,
      EMIT_API_KEYS: API_KEY,
      LOG_LEVEL: 'warn',
      SHUTDOWN_DRAIN_MS: '500',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    if (npm.exitCode === null && npm.signalCode === null) process.kill(-(npm.pid ?? 0), 'SIGKILL');
  });
  let output = '';
  const url = new Promise<string>((resolve, reject) => {
    npm.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const [, port] = /listens on http:\/\/localhost:(\d+)/.exec(output) ?? [];
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
    });
    npm.once('exit', () => reject(new Error(`npm ended before the gateway listened:\n${output}`)));
  });
  return { npm, url };
}

// npm passes the signal on to a gateway that has it already, which is the second one for it.
test.each([
  ['start', ['start']],
  ['run dev', ['run', 'dev']],
])('Ctrl-C during npm %s is a graceful stop', async (_name, script) => {
  const { npm, url } = runInTerminal(script);
  const client = await connect({ url: await url });
  const exited = once(npm, 'exit');
  process.kill(-(npm.pid ?? 0), 'SIGINT');
  // Told first, let go by the wave: a process that just ends does neither.
  expect(await client.next('server_draining')).toEqual([{ retry_after_ms: 500 }]);
  expect(await client.closed).toBe('transport close');
  expect(await exited).toEqual([0, null]);
});
