import { setImmediate } from 'node:timers/promises';
import type { RunningServer } from '../server/database-server.js';
import { type ServeOptions, serveDirectory } from '../server/serve-directory.js';
import type { ListenAddress } from '../wire/listener.js';

/*
 * The child process. Its options come as JSON in the first argument; it tells its parent when it serves, and ends when
 * the parent says so or is gone.
 */

/** What the child tells its parent. */
export type ChildMessage =
  | { readonly kind: 'ready'; readonly address: ListenAddress }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'problem'; readonly message: string };

function tell(message: ChildMessage): void {
  if (process.connected) process.send?.(message);
}

/** Whether the parent is still there. Its channel closes when it ends, however it ends. */
const hasParent = (): boolean => process.connected === true;

async function runAsChild(options: ServeOptions): Promise<void> {
  let server: RunningServer | undefined;
  let isEnding = false;
  const end = async (): Promise<void> => {
    isEnding = true;
    if (!server) return;
    await server.stop();
    process.exit(0);
  };
  // A terminal, or a service manager, signals every process of the group: when to end is the parent's decision.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!hasParent()) void end();
    });
  }
  process.on('disconnect', () => void end());
  process.on('message', (message) => {
    if (message === 'stop') void end();
  });
  // A parent that ended while this file was being loaded was reported to nobody, or is about to be reported.
  await setImmediate();
  if (isEnding || !hasParent()) process.exit(0);
  try {
    server = await serveDirectory(options, (message) => tell({ kind: 'problem', message }));
    tell({ kind: 'ready', address: server.address });
    if (isEnding) await end();
  } catch (error) {
    tell({ kind: 'failed', reason: (error as Error).message });
    process.exitCode = 1;
    process.disconnect?.();
  }
}

await runAsChild(JSON.parse(process.argv[2] ?? '{}') as ServeOptions);
