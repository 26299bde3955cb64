import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API_KEY, SECRET } from '../support/gateway.js';
import { freePort } from '../support/redis-server.js';
import { compiled } from '../support/script.js';

/** How a start ended. */
export interface FailedStart {
  readonly code: number | null;
  readonly stderr: string;
  readonly stdout: string;
}

/** Runs `src/main.ts` in `directory` until it ends. @param preload code that runs before it */
export async function failStart(
  directory: string,
  env: Readonly<Record<string, string>>,
  preload?: string,
): Promise<FailedStart> {
  const first = preload === undefined ? [] : ['--import', `data:text/javascript,${encodeURIComponent(preload)}`];
  const child = spawn(process.execPath, [...first, compiled('src/main.ts')], {
    cwd: directory,
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: join(directory, 'data'),
      JWT_SECRET: SECRET,
      EMIT_API_KEYS: API_KEY,
      LOG_LEVEL: 'silent',
      STARTUP_TIMEOUT_MS: '1000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      texts[name] += chunk.toString();
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...texts };
}

/** A start that fails, with its exit code and sentence. */
export interface FailureCase {
  readonly name: string;
  readonly code: number;
  readonly sentence: RegExp;
  /** Prepares the directory. @returns settings, and what runs before the gateway */
  prepare(directory: string): Promise<{ env?: Record<string, string>; preload?: string; release?: () => void }>;
}

/** Every failure that an operator can cause without rights of root. */
export const failures: readonly FailureCase[] = [
  {
    name: 'an old Node.js',
    code: 20,
    sentence: /^Node\.js 18\.20\.4 is too old: install 20\.19\.0 or newer\.$/,
    prepare: async () => ({
      preload: "Object.defineProperty(process.versions, 'node', { value: '18.20.4' });",
    }),
  },
  {
    name: 'an invalid configuration',
    code: 78,
    sentence: /^The configuration is invalid:\n {2}PORT: must be a whole number between 0 and 65535$/,
    prepare: async () => ({ env: { PORT: '70000' } }),
  },
  {
    name: 'a DATA_DIR that is in use',
    code: 22,
    sentence:
      /^The data directory \S+ is in use by the process with the pid \d+: stop that process, or set DATA_DIR to another directory\.$/,
    async prepare(directory) {
      await mkdir(join(directory, 'data', 'db'), { recursive: true });
      await writeFile(join(directory, 'data', 'db', 'lock'), JSON.stringify({ pid: process.pid, startedAt: '' }));
      return {};
    },
  },
  {
    name: 'a DATA_DIR that is a file',
    code: 21,
    sentence: /^DATA_DIR \S+ is not a directory: set DATA_DIR to one\.$/,
    async prepare(directory) {
      await writeFile(join(directory, 'data'), '');
      return {};
    },
  },
  {
    name: 'a DATA_DIR in a file system that takes no directories',
    code: 21,
    // Without the rights of root, those are missing first.
    sentence: /^DATA_DIR \/proc\/general-socket\/data cannot be (?:created|read and written)/,
    prepare: async () => ({ env: { DATA_DIR: '/proc/general-socket/data' } }),
  },
  {
    name: 'a database file that cannot be opened',
    code: 21,
    sentence: /^DATA_DIR \S+ cannot be used: EISDIR/,
    async prepare(directory) {
      await mkdir(join(directory, 'data', 'db'), { recursive: true });
      await mkdir(join(directory, 'data', 'db', 'data.log'));
      return {};
    },
  },
  {
    name: 'a port that is in use',
    code: 23,
    sentence: /^Port \d+ is already in use\. Set PORT to another one\.$/,
    async prepare() {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return { env: { PORT: String((server.address() as AddressInfo).port) }, release: () => void server.close() };
    },
  },
  {
    name: 'a host of another machine',
    code: 23,
    sentence: /^HOST 192\.0\.2\.1 is not an address of this machine\. Set it to one, or to 0\.0\.0\.0 for all\.$/,
    prepare: async () => ({ env: { HOST: '192.0.2.1' } }),
  },
  {
    name: 'a host that does not exist',
    code: 23,
    sentence: /^HOST nowhere\.invalid (?:is a name without an address|could not be looked up)\. Set it to an address/,
    prepare: async () => ({ env: { HOST: 'nowhere.invalid' } }),
  },
  {
    name: 'a MongoDB that is away',
    code: 24,
    sentence:
      /^MongoDB cannot be reached at 127\.0\.0\.1:\d+ \(.*ECONNREFUSED.*\)\. Is it running, and is MONGODB_URL right\?$/,
    async prepare() {
      return { env: { MONGODB_URL: `mongodb://user:hunter2@127.0.0.1:${await freePort()}/gs?replicaSet=rs0` } };
    },
  },
  {
    name: 'a Redis that is away',
    code: 25,
    sentence: /^Redis at redis:\/\/127\.0\.0\.1:\d+ could not be reached within 1000 ms: .+\.$/,
    async prepare() {
      return { env: { REDIS_URL: `redis://:hunter2@127.0.0.1:${await freePort()}` } };
    },
  },
];

/** Runs a case in a directory of its own. */
export async function runFailure({ prepare }: FailureCase): Promise<FailedStart> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const { env = {}, preload, release } = await prepare(directory);
  try {
    return await failStart(directory, env, preload);
  } finally {
    release?.();
    await rm(directory, { recursive: true, force: true });
  }
}
