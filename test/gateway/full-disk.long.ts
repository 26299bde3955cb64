import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { API_KEY, SECRET } from '../support/gateway.js';
import { freePort } from '../support/redis-server.js';
import { compiled } from '../support/script.js';
import { until } from '../support/until.js';

/**
 * Runs a gateway whose `DATA_DIR` is a small file system in memory, which only this process and its children see. Needs
 * Linux, and the right to make a namespace.
 * @param options of the mount
 */
async function startOnSmallDisk(options: string, env: Record<string, string> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const data = join(directory, 'data');
  const port = await freePort();
  const script = `mkdir -p "$0" && mount -t tmpfs -o "$1" tmpfs "$0" && shift && exec "$@"`;
  const child = spawn(
    'unshare',
    [
      '--user',
      '--map-root-user',
      '--mount',
      'sh',
      '-c',
      script,
      data,
      options,
      process.execPath,
      compiled('src/main.ts'),
    ],
    {
      cwd: directory,
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'production',
        HOST: '127.0.0.1',
        PORT: String(port),
        DATA_DIR: data,
        JWT_SECRET: SECRET,
        EMIT_API_KEYS: API_KEY,
        SHUTDOWN_DRAIN_MS: '0',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const lines: string[] = [];
  let stderr = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
    await rm(directory, { recursive: true, force: true });
  });
  const call = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { 'x-api-key': API_KEY, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, text: await response.text() };
  };
  return {
    child,
    ended,
    lines,
    call,
    stderr: () => stderr,
    /** A path on the small file system, as this process reaches it. */
    inside: (name: string) => join(`/proc/${child.pid}/root`, data, name),
  };
}

test('a gateway on a full file system says so, serves on, and loses nothing acknowledged', async () => {
  const { child, lines, call, inside } = await startOnSmallDisk('size=3m');
  await until(() => lines.some((line) => line.includes('"listening"')));
  const emit = (n: number) => call('POST', '/emit/ann/news?durable=true', { n, text: 'x'.repeat(20_000) });
  const missing = async () => JSON.parse((await call('GET', '/health/ready')).text).missing;
  const acknowledged: string[] = [];
  let refusals = 0;
  for (let n = 0; refusals < 5; n += 1) {
    const { status, text } = await emit(n);
    if (status === 200) acknowledged.push(JSON.parse(text).data.id);
    else {
      expect([status, JSON.parse(text).message]).toEqual([503, 'UNAVAILABLE']);
      refusals += 1;
    }
  }
  expect(acknowledged.length).toBeGreaterThan(20);
  await until(async () => JSON.stringify(await missing()) === '["storage"]');
  expect(lines.some((line) => line.includes('"storage_failed"'))).toBe(true);
  // More room, as an operator makes it.
  const grow = spawn('nsenter', [
    '--target',
    String(child.pid),
    '--user',
    '--mount',
    'mount',
    '-o',
    'remount,size=30m',
    inside('').replace(/^\/proc\/\d+\/root/, ''),
  ]);
  expect((await once(grow, 'close'))[0]).toBe(0);
  await until(async () => (await call('GET', '/health/ready')).status === 200);
  const { status, text } = await emit(-1);
  expect(status).toBe(200);
  acknowledged.push(JSON.parse(text).data.id);
  // As after a crash: what was acknowledged is in the file.
  const stored = await call('GET', '/users/ann/deliveries?limit=100');
  for (const id of acknowledged.slice(-100)) expect(stored.text).toContain(id);
  // A disk that fills up while nothing is written.
  await writeFile(inside('filler'), Buffer.alloc(40_000_000)).catch(() => undefined);
  await until(async () => JSON.stringify(await missing()) === '["storage"]');
  await rm(inside('filler'));
  await until(async () => (await call('GET', '/health/ready')).status === 200);
});

test.each([
  ['ro', /^DATA_DIR \S+ is on a read-only file system: mount it writable, or set DATA_DIR to another directory\.\n$/],
  ['size=4k,nr_inodes=2', /^DATA_DIR \S+ is on a full disk: make room, or set DATA_DIR to another directory\.\n$/],
])('a start on a file system with %s fails with 21 and one sentence', async (options, sentence) => {
  const { ended, stderr } = await startOnSmallDisk(options);
  expect(await ended).toBe(21);
  expect(stderr()).toMatch(sentence);
});
