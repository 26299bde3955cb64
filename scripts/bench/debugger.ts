import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';

/** Where Node.js listens for debuggers after a signal. The port cannot be chosen, so one process is asked at a time. */
const DEBUGGER_URL = 'http://127.0.0.1:9229/json/list';
const START_LIMIT_MS = 10_000;
/** Closing the port waits for the debugger to leave. `require` exists only while this is evaluated. */
const CLOSE = `(({ close }) => void setTimeout(close, 50))(require('node:inspector'))`;

/** Collects the garbage of a process of Node.js that was started without a way to ask for it. */
export async function collectGarbageOf(pid: number): Promise<void> {
  process.kill(pid, 'SIGUSR1');
  const debug = new WebSocket(await findDebugger());
  await once(debug, 'open');
  const call = async (method: string, params: object = {}): Promise<void> => {
    debug.send(JSON.stringify({ id: 1, method, params }));
    await once(debug, 'message');
  };
  await call('HeapProfiler.collectGarbage');
  await call('Runtime.evaluate', { expression: CLOSE, includeCommandLineAPI: true });
  debug.close();
  await until(async () => !(await isListening()));
}

async function findDebugger(): Promise<string> {
  await until(isListening);
  const targets = (await (await fetch(DEBUGGER_URL)).json()) as { webSocketDebuggerUrl: string }[];
  return targets[0]?.webSocketDebuggerUrl ?? '';
}

const isListening = (): Promise<boolean> =>
  fetch(DEBUGGER_URL).then(
    () => true,
    () => false,
  );

async function until(condition: () => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + START_LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`a debugger is at ${DEBUGGER_URL}, or none comes`);
    await pause(20);
  }
}
