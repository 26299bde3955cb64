import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { API_KEY, SECRET } from './gateway.js';
import { freePort } from './redis-server.js';
import { nodeArguments, projectDirectory } from './script.js';

/** A gateway in a process of its own, as an operator runs it. */
export interface GatewayProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/** Starts `src/main.ts` and resolves when it says that it listens. */
export async function startGatewayProcess(env: Record<string, string>): Promise<GatewayProcess> {
  const port = await freePort();
  const child = spawn(process.execPath, [...nodeArguments, 'src/main.ts'], {
    cwd: projectDirectory,
    env: {
      PATH: process.env['PATH'],
      ...{ NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port), LOG_LEVEL: 'fatal' },
      ...{ JWT_SECRET: SECRET, EMIT_API_KEYS: API_KEY },
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null);
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('listens on')) resolve();
    });
    ended.then((how) => reject(new Error(`the gateway ended before it listened: ${how}`)), reject);
  });
  return { url: `http://127.0.0.1:${port}`, child, ended };
}
