import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ServeOptions } from '../server/serve-directory.js';
import type { ListenAddress } from '../wire/listener.js';
import type { ChildMessage } from './child.js';

/** Receives log entries about the child process. A pino logger fits. */
export interface EmbeddedLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** How a child process ended. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Options of {@link launch}. */
export interface LauncherOptions extends ServeOptions {
  readonly logger?: EmbeddedLogger | undefined;
  /** Called when the child ended unexpectedly. It is restarted. */
  readonly onExit?: ((exit: ChildExit) => void) | undefined;
  /** Writes fail, with the reason, or work again (`undefined`). Called when this changes. */
  readonly onStorage?: ((problem: string | undefined) => void) | undefined;
}

const FIRST_RESTART_DELAY_MS = 50;
const MAX_RESTART_DELAY_MS = 5000;
/** After this uptime, a restart starts again with the first delay. */
const HEALTHY_AFTER_MS = 30_000;
const STOP_TIMEOUT_MS = 30_000;

/**
 * Starts the child process and restarts it whenever it ends, at the same address, so that drivers reconnect.
 * @throws Error with the reason why the first start failed
 */
export async function launch(options: LauncherOptions): Promise<Launcher> {
  const launcher = new Launcher(options);
  await launcher.start();
  return launcher;
}

/** Supervises the child process of the embedded database. */
class Launcher {
  readonly #options: ServeOptions;
  readonly #logger: EmbeddedLogger | undefined;
  readonly #onExit: ((exit: ChildExit) => void) | undefined;
  readonly #onStorage: (problem: string | undefined) => void;
  #address: ListenAddress;
  #child: ChildProcess | undefined;
  #isServing = false;
  #isStopping = false;
  #restartDelayMs = FIRST_RESTART_DELAY_MS;
  #restartTimer: NodeJS.Timeout | undefined;

  constructor({ logger, onExit, onStorage = () => {}, ...options }: LauncherOptions) {
    this.#options = options;
    this.#address = options.address;
    this.#logger = logger;
    this.#onExit = onExit;
    this.#onStorage = onStorage;
  }

  get address(): ListenAddress {
    return this.#address;
  }

  /** The pid of the child; undefined while it restarts. */
  get pid(): number | undefined {
    return this.#isServing ? this.#child?.pid : undefined;
  }

  /** Starts the child and waits until it serves. */
  async start(): Promise<void> {
    const child = spawn({ ...this.#options, address: this.#address });
    this.#child = child;
    child.on('message', (message: ChildMessage) => {
      if (message.kind === 'storage') this.#onStorage(message.problem ?? undefined);
    });
    try {
      this.#address = await waitUntilReady(child, (problem) => this.#logger?.warn({ pid: child.pid }, problem));
    } catch (error) {
      this.#child = undefined;
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      throw error;
    }
    const startedAt = performance.now();
    this.#isServing = true;
    child.once('exit', (code, signal) => this.#handleExit({ code, signal }, performance.now() - startedAt));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restartTimer);
    if (this.#child) await stopChild(this.#child);
  }

  #handleExit(exit: ChildExit, uptimeMs: number): void {
    this.#child = undefined;
    this.#isServing = false;
    // The next child reports anew.
    this.#onStorage(undefined);
    if (this.#isStopping) return;
    if (uptimeMs > HEALTHY_AFTER_MS) this.#restartDelayMs = FIRST_RESTART_DELAY_MS;
    this.#logger?.error(exit, 'embedded database exited unexpectedly, restarting');
    this.#onExit?.(exit);
    this.#scheduleRestart();
  }

  #scheduleRestart(): void {
    this.#restartTimer = setTimeout(() => void this.#restart(), this.#restartDelayMs);
    this.#restartDelayMs = Math.min(this.#restartDelayMs * 2, MAX_RESTART_DELAY_MS);
  }

  async #restart(): Promise<void> {
    try {
      await this.start();
      this.#logger?.info({ pid: this.#child?.pid }, 'embedded database restarted');
    } catch (error) {
      this.#logger?.error({ reason: (error as Error).message }, 'embedded database could not be restarted');
      if (!this.#isStopping) this.#scheduleRestart();
    }
  }
}

function spawn(options: ServeOptions): ChildProcess {
  const { path, execArgv } = childEntry();
  return fork(path, [JSON.stringify(options)], {
    execArgv,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Options of debuggers, coverage tools and `node --watch` apply to the parent only.
    env: { ...process.env, NODE_OPTIONS: '', WATCH_REPORT_DEPENDENCIES: '' },
  });
}

/** The file of the child and its Node options: the compiled file, or the source with tsx if the parent runs from source. */
function childEntry(): { path: string; execArgv: string[] } {
  const isSource = import.meta.url.endsWith('.ts');
  const path = fileURLToPath(new URL(isSource ? './child.ts' : './child.js', import.meta.url));
  const memory = process.execArgv.filter((argument) => argument.startsWith('--max-old-space-size'));
  const loader = isSource ? ['--conditions=source', '--import', import.meta.resolve('tsx')] : ['--enable-source-maps'];
  // Requests and replies are short-lived. A larger young generation keeps them from being promoted.
  return { path, execArgv: ['--max-semi-space-size=32', ...memory, ...loader] };
}

/** Waits until the child serves. @returns its address */
function waitUntilReady(child: ChildProcess, onProblem: (problem: string) => void): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: NodeJS.Signals | null): void =>
      reject(new Error(`The embedded database exited during its start (${signal ?? `code ${code}`})`));
    child.once('exit', onExit);
    child.once('error', reject);
    child.on('message', (message: ChildMessage) => {
      if (message.kind === 'storage') return;
      if (message.kind === 'problem') return onProblem(message.message);
      child.off('exit', onExit);
      return message.kind === 'ready'
        ? resolve(message.address)
        : reject(Object.assign(new Error(message.reason), { code: message.code }));
    });
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  // Without a channel the child ends by itself, as when its parent ends.
  if (child.connected) child.send('stop');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}
