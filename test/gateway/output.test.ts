import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { API_KEY, SECRET } from '../support/gateway.js';
import { freePort } from '../support/redis-server.js';
import { compiled, projectDirectory } from '../support/script.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { until } from '../support/until.js';

describe.each(['test', 'production'])('a gateway (NODE_ENV=%s) serves, and stops cleanly,', (NODE_ENV) => {
  /** @param output a file; absent: a pipe that is closed after the first line */
  async function serveAndStop(output?: FileHandle): Promise<void> {
    const PORT = String(await freePort());
    // As `npm start | head -1` runs it.
    const child = spawn(process.execPath, [compiled('src/main.ts')], {
      cwd: projectDirectory,
      env: {
        PATH: process.env['PATH'],
        NODE_ENV,
        HOST: '127.0.0.1',
        PORT,
        DATA_DIR: await temporaryDirectory(),
        JWT_SECRET: SECRET,
        EMIT_API_KEYS: API_KEY,
        SHUTDOWN_DRAIN_MS: '0',
        LOG_LEVEL: 'info',
      },
      stdio: ['ignore', output?.fd ?? 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let errors = '';
    child.stderr?.on('data', (chunk) => {
      errors += chunk;
    });
    const exited = once(child, 'exit');
    if (child.stdout !== null) {
      await once(child.stdout, 'data');
      child.stdout.destroy();
    }

    const call = (path: string) =>
      fetch(`http://127.0.0.1:${PORT}${path}`).then(
        ({ status }) => status,
        () => undefined,
      );
    await until(async () => child.exitCode !== null || (await call('/status')) === 200);
    // A refused key is a line of the log.
    expect([await call('/users/ann/presence'), errors]).toEqual([401, '']);
    child.kill('SIGTERM');
    expect([...(await exited), errors]).toEqual([0, null, '']);
  }

  test('when its output is closed after the first line', () => serveAndStop());

  test('when the disk of its output is full', async () => {
    const output = await open('/dev/full', 'w');
    onTestFinished(() => output.close());
    await serveAndStop(output);
  });
});
