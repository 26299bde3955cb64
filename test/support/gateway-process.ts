import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import { API_KEY, SECRET } from './gateway.js';
import { compiled } from './script.js';

/** A gateway in its own process, as an operator runs it. */
export interface GatewayProcess {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
  /** The exit code, or the signal that ended it; `undefined` while it runs. */
  readonly exit: number | NodeJS.Signals | undefined;
  /** Resolves with the exit code, or the signal. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  readonly stderr: string;
  /** The log: one JSON object in each line, in production. */
  readonly lines: readonly string[];
  /** Bytes in use after a garbage collection: the heap, and buffers outside of it. */
  measure(): Promise<number>;
  /** The body of a REST call with the API key. */
  ask(method: string, path: string, body?: unknown): Promise<string>;
  close(): Promise<void>;
}

/**
 * Starts `src/main.ts` on a free port and waits until it listens.
 * @param checkout directory of the sources of another version; absent: this project, compiled
 */
export async function startGatewayProcess(
  env: Readonly<Record<string, string>> = {},
  checkout?: string,
): Promise<GatewayProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-'));
  const child = fork(checkout === undefined ? compiled('src/main.ts') : join(checkout, 'src/main.ts'), {
    cwd: directory,
    execArgv: [
      ...(checkout === undefined ? [] : ['--import', import.meta.resolve('tsx'), '--conditions=source']),
      '--expose-gc',
      '--import',
      compiled('test/support/memory-probe.ts'),
    ],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: directory,
      JWT_SECRET: SECRET,
      EMIT_API_KEYS: API_KEY,
      SHUTDOWN_DRAIN_MS: '0',
      ...env,
    },
  });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const lines: string[] = [];
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const ended = once(child, 'exit').then(async ([code, signal]) => {
    await rm(directory, { recursive: true, force: true });
    return (code ?? signal) as number | NodeJS.Signals | null;
  });
  const port = await portOf(child, () => stderr);
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    child,
    ended,
    lines,
    get exit() {
      return child.exitCode ?? child.signalCode ?? undefined;
    },
    get stderr() {
      return stderr;
    },
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
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await ended;
    },
  };
}

/** The port on which the process listens. @throws Error with its output if it ends instead */
function portOf(child: ChildProcess, readErrors: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const line = output.split('\n').find((text) => text.includes('"event":"listening"'));
      if (line?.endsWith('}') === true) resolve((JSON.parse(line) as { port: number }).port);
      // Outside of production lines are written for people.
      const [, port] = /: listening\n(?: +[^\n]*\n)*? +port: (\d+)\n/.exec(stripVTControlCharacters(output)) ?? [];
      if (port !== undefined) resolve(Number(port));
    });
    child.once('exit', () => reject(new Error(`the gateway ended before it listened:\n${output}${readErrors()}`)));
  });
}
