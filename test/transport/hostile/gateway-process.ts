import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { API_KEY, SECRET } from '../../support/gateway.js';
import { nodeArguments, projectDirectory } from '../../support/script.js';

/** The gateway as it runs in production: `main.ts` in a process of its own. */
export interface GatewayProcess {
  readonly url: string;
  readonly port: number;
  /** `undefined` while it runs, else how it ended. */
  readonly ended: number | NodeJS.Signals | undefined;
  /** What it has said on its standard error. */
  readonly stderr: string;
  /** What it has logged: one JSON object in each line. */
  readonly lines: readonly string[];
  /** Bytes in use after a collection: heap, and buffers outside of it. */
  measure(): Promise<number>;
  /** The body of a REST call with the API key. */
  ask(method: string, path: string, body?: unknown): Promise<string>;
  close(): Promise<void>;
}

const probe = fileURLToPath(new URL('./fixtures/memory-probe.ts', import.meta.url));

/** Starts `main.ts` on a free port and waits until it listens. */
export async function startGatewayProcess(env: Record<string, string> = {}): Promise<GatewayProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const child = fork(join(projectDirectory, 'src/main.ts'), {
    cwd: directory,
    execArgv: ['--expose-gc', ...absolute(nodeArguments), '--import', probe],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      ...{ PATH: process.env['PATH'], NODE_ENV: 'production', HOST: '127.0.0.1', PORT: '0', DATA_DIR: directory },
      ...{ JWT_SECRET: SECRET, EMIT_API_KEYS: API_KEY, SHUTDOWN_DRAIN_MS: '0', LOG_LEVEL: 'error', ...env },
    },
  });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const lines: string[] = [];
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const port = await portOf(child, () => stderr);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    get ended() {
      return child.exitCode ?? child.signalCode ?? undefined;
    },
    get stderr() {
      return stderr;
    },
    lines,
    async measure() {
      const answered = once(child, 'message');
      child.send('measure');
      return Number((await answered)[0]);
    },
    async ask(method, path, body) {
      const headers = { 'x-api-key': API_KEY, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
      const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      return (await fetch(url + path, init)).text();
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGTERM');
        await ended;
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The child runs elsewhere, where the loader is not installed. */
const absolute = (args: readonly string[]): string[] =>
  args.map((argument) => (argument === 'tsx' ? import.meta.resolve('tsx') : argument));

/** The port that the process says it listens on. @throws Error with what it said when it ended instead */
function portOf(child: ChildProcess, said: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const port = /listens on http:\/\/localhost:(\d+)/.exec(output)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    child.once('exit', () => reject(new Error(`the gateway ended before it listened:\n${output}${said()}`)));
  });
}
