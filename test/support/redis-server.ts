import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';

/** A Redis of one test's own. `stop` and `start` keep the port, so that clients see it go away and come back. */
export interface TestRedis {
  url: string;
  port: number;
  start(): Promise<void>;
  /** Ends it at once (SIGKILL), as an outage would. */
  stop(): Promise<void>;
  /**
   * Runs an administrator's command on a connection of its own, for example `command('CONFIG', 'SET', …)`. Rights, password
   * and limits that a test sets for others do not concern it.
   */
  command(...args: string[]): Promise<unknown>;
  /** Ends it and removes its directory. */
  dispose(): Promise<void>;
}

function openAdmin(port: number) {
  const client = createClient({ username: 'admin', password: 'any', socket: { port, reconnectStrategy: false } });
  client.on('error', () => undefined);
  return client;
}

/** A TCP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return address.port;
}

/** Starts a Redis server with no persistence on a free loopback port. */
export async function startRedis(): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-redis-'));
  const port = await freePort();
  let child: ReturnType<typeof spawn> | undefined;
  let admin: ReturnType<typeof openAdmin> | undefined;

  const start = async (): Promise<void> => {
    child = spawn('redis-server', [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      directory,
      '--save',
      '',
      '--appendonly',
      'no',
      '--daemonize',
      'no',
      '--user',
      'admin',
      'on',
      'nopass',
      '~*',
      '&*',
      '+@all',
    ]);
    const started = child;
    await new Promise<void>((resolve, reject) => {
      let output = '';
      started.stdout?.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes('Ready to accept connections')) resolve();
      });
      started.once('error', reject);
      started.once('exit', () => reject(new Error(`redis-server ended before it was ready:\n${output}`)));
    });
  };
  const stop = async (): Promise<void> => {
    admin?.destroy();
    admin = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const dispose = async (): Promise<void> => {
    await stop();
    await rm(directory, { recursive: true, force: true });
  };
  const command = async (...args: string[]): Promise<unknown> => {
    if (admin === undefined) {
      admin = openAdmin(port);
      await admin.connect();
    }
    return admin.sendCommand(args);
  };
  await start();
  return { url: `redis://127.0.0.1:${port}`, port, start, stop, command, dispose };
}
