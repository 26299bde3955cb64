import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Envelope, Reply } from './wire.js';

/** A child process that answers requests. */
export interface Worker<Question, Answer> {
  readonly pid: number;
  ask(question: Question): Promise<Answer>;
  /** Stops the process and waits for its end. */
  stop(): Promise<void>;
}

/** Options of Node.js for a process. */
const optionsOf = (env: NodeJS.ProcessEnv): string[] => env['BENCH_NODE_OPTIONS']?.split(' ') ?? [];

/** This checkout, or another one with a build. */
export const thisCheckout = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Starts a process of the build, as in production; a TypeScript loader would affect the measurements.
 * @param script path from `scripts/bench`, without extension
 * @returns the process and its first message
 * @throws Error with its output when it ends before it is ready
 */
export async function startWorker<Question, Answer, Ready = unknown>(
  script: string,
  env: Record<string, string> = {},
  checkout = thisCheckout,
): Promise<{ worker: Worker<Question, Answer>; ready: Ready }> {
  const child = fork(join(checkout, 'dist/scripts/bench', `${script}.js`), {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...env },
    execArgv: ['--expose-gc', '--enable-source-maps', ...optionsOf(process.env), ...optionsOf(env)],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let complaints = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-4000);
  });

  const pending = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  const wait = <T>(id: number): Promise<T> =>
    new Promise((resolve, reject) => pending.set(id, { resolve: resolve as (answer: unknown) => void, reject }));
  child.on('message', (reply: Reply) => {
    const asked = pending.get(reply.id);
    pending.delete(reply.id);
    if ('error' in reply) asked?.reject(new Error(`${script}: ${reply.error}`));
    else asked?.resolve(reply.answer);
  });
  child.once('exit', (code, signal) => {
    for (const { reject } of pending.values()) reject(new Error(`${script} ended (${code ?? signal})\n${complaints}`));
  });

  const ready = await wait<Ready>(0);
  let lastId = 0;
  const ask = (content: Question): Promise<Answer> => {
    lastId += 1;
    const answer = wait<Answer>(lastId);
    child.send({ id: lastId, content } satisfies Envelope<Question>);
    return answer;
  };
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.disconnect();
    await ended;
  };
  return { worker: { pid: child.pid ?? 0, ask, stop }, ready };
}
