import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { onTestFinished } from 'vitest';
import { environment } from '../../src/config.js';

/** A process whose output is read line by line. */
export interface Program {
  readonly child: ChildProcess;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  /** The next line, of either output, that matches. @throws Error when the process ends without one */
  line(pattern: RegExp): Promise<string>;
}

interface ProgramOptions {
  readonly cwd: string;
  readonly env?: Record<string, string>;
  /** Takes the step that ends the program. By default the program ends with the test. */
  readonly defer?: (end: () => Promise<void>) => void;
}

/** Starts a program with none of the gateway's settings but those in `env`, however the tests themselves were started. */
export function startProgram(command: string, args: readonly string[], options: ProgramOptions): Program {
  const { cwd, env = {}, defer = onTestFinished } = options;
  const unset = Object.fromEntries(Object.keys(environment.shape).map((name) => [name, undefined]));
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...unset, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null);
  defer(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  });
  const output = new PassThrough();
  child.stdout.pipe(output, { end: false });
  child.stderr.pipe(output, { end: false });
  child.once('close', () => output.end());
  const lines = createInterface({ input: output })[Symbol.asyncIterator]();
  const seen: string[] = [];
  return {
    child,
    ended,
    async line(pattern) {
      for (;;) {
        const { value, done } = await lines.next();
        if (done === true) throw new Error(`the process ended without ${pattern}:\n${seen.join('\n')}`);
        seen.push(value);
        if (pattern.test(value)) return value;
      }
    },
  };
}
