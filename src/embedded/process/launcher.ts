import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ServeOptions } from '../server/serve-directory.js';
import type { ListenAddress } from '../wire/listener.js';
import type { ChildMessage } from './child.js';

/** What is told of the child's life; a pino logger fits. */
export interface EmbeddedLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** What the child serves, and who hears of it. */
export interface LauncherOptions extends ServeOptions {
  readonly logger?: EmbeddedLogger | undefined;
  /** Called when the child ended though nobody asked it to; it is started again. */
  readonly onExit?: ((cause: { code: number | null; signal: NodeJS.Signals | null }) => void) | undefined;
}

/** The child process and its keeper. */
export interface Launcher {
  readonly address: ListenAddress;
  /** Of the present child; undefined while it is being started again. */
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

const FIRST_RESTART_DELAY_MS = 50;
const MAX_RESTART_DELAY_MS = 5000;
/** A child that lived this long had started well: the next restart is quick again. */
const HEALTHY_AFTER_MS = 30_000;
const STOP_TIMEOUT_MS = 30_000;

/** How the child is run: the compiled file by plain Node, the source by way of tsx, wherever the parent was started. */
function entry(): { path: string; execArgv: string[] } {
  const isSource = import.meta.url.endsWith('.ts');
  const path = fileURLToPath(new URL(isSource ? './child.ts' : './child.js', import.meta.url));
  const memory = process.execArgv.filter((argument) => argument.startsWith('--max-old-space-size'));
  const loader = isSource ? ['--conditions=source', '--import', import.meta.resolve('tsx')] : ['--enable-source-maps'];
  // Replies and requests are garbage at once: room for them keeps it from being copied among the documents.
  return { path, execArgv: ['--max-semi-space-size=32', ...memory, ...loader] };
}

function spawn(options: ServeOptions): ChildProcess {
  const { path, execArgv } = entry();
  return fork(path, [JSON.stringify(options)], {
    execArgv,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // What a debugger or a coverage tool puts there is meant for the parent, and so is what `node --watch` asks for.
    env: { ...process.env, NODE_OPTIONS: '', WATCH_REPORT_DEPENDENCIES: '' },
  });
}

/** Waits until the child serves. */
const waitUntilReady = async (child: ChildProcess, onProblem: (message: string) => void): Promise<ListenAddress> =>
  new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: NodeJS.Signals | null): void =>
      reject(new Error(`The embedded database ended while it was starting (${signal ?? `code ${code}`})`));
    child.once('exit', onExit);
    child.once('error', reject);
    child.on('message', (message: ChildMessage) => {
      if (message.kind === 'problem') return onProblem(message.message);
      child.off('exit', onExit);
      return message.kind === 'ready' ? resolve(message.address) : reject(new Error(message.reason));
    });
  });

/**
 * Starts the child and keeps it running until {@link Launcher.stop}: one that dies is started again at the same
 * address, so that drivers reconnect by themselves.
 * @throws Error saying why the first start failed
 */
export async function launch(options: LauncherOptions): Promise<Launcher> {
  const { logger, onExit, ...childOptions } = options;
  let child: ChildProcess | undefined;
  let isServing = false;
  let address = options.address;
  let isStopping = false;
  let delayMs = FIRST_RESTART_DELAY_MS;
  let restart: NodeJS.Timeout | undefined;

  const start = async (): Promise<void> => {
    const started = spawn({ ...childOptions, address });
    child = started;
    try {
      address = await waitUntilReady(started, (message) => logger?.warn({ pid: started.pid }, message));
    } catch (error) {
      child = undefined;
      if (started.exitCode === null && started.signalCode === null) started.kill('SIGKILL');
      throw error;
    }
    const startedAt = Date.now();
    isServing = true;
    started.once('exit', (code, signal) => {
      child = undefined;
      isServing = false;
      if (isStopping) return;
      if (Date.now() - startedAt > HEALTHY_AFTER_MS) delayMs = FIRST_RESTART_DELAY_MS;
      logger?.error({ code, signal }, 'the embedded database ended unexpectedly; starting it again');
      onExit?.({ code, signal });
      scheduleRestart();
    });
  };

  const scheduleRestart = (): void => {
    restart = setTimeout(() => {
      start().then(
        () => logger?.info({ pid: child?.pid }, 'the embedded database runs again'),
        (error: Error) => {
          logger?.error({ reason: error.message }, 'the embedded database could not be started again');
          if (!isStopping) scheduleRestart();
        },
      );
    }, delayMs);
    delayMs = Math.min(delayMs * 2, MAX_RESTART_DELAY_MS);
  };

  await start();
  return {
    get address() {
      return address;
    },
    get pid() {
      return isServing ? child?.pid : undefined;
    },
    stop: async () => {
      isStopping = true;
      clearTimeout(restart);
      if (child) await stopChild(child);
    },
  };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  // It ends as well when the channel is gone, which is what happens when a parent dies.
  if (child.connected) child.send('stop');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}
