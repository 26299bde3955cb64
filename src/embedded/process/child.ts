import { setImmediate } from 'node:timers/promises';
import type { RunningServer } from '../server/database-server.js';
import { type ServeOptions, serveDirectory } from '../server/serve-directory.js';
import type { ListenAddress } from '../wire/listener.js';

/*
 * The entry point of the child process. Its first argument is the JSON of its options. It notifies its parent when it
 * serves, and ends when the parent requests it or has ended.
 */

/** A message from the child to its parent. */
export type ChildMessage =
  | { readonly kind: 'ready'; readonly address: ListenAddress }
  | { readonly kind: 'failed'; readonly reason: string; readonly code: unknown }
  | { readonly kind: 'problem'; readonly message: string }
  /** Writes fail, with the reason, or work again (`null`). */
  | { readonly kind: 'storage'; readonly problem: string | null };

function notifyParent(message: ChildMessage): void {
  // A parent that is ending does not read it. Then the channel closes, and `disconnect` ends this process in order.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** Whether the parent still runs. The channel closes when the parent ends, however it ends. */
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
  // Terminals and service managers signal the whole process group. The parent decides when the child ends.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!hasParent()) void end();
    });
  }
  process.on('disconnect', () => void end());
  process.on('message', (message) => {
    if (message === 'stop') void end();
  });
  // If the parent ended while this file was loading, the event was missed or is pending.
  await setImmediate();
  if (isEnding || !hasParent()) process.exit(0);
  try {
    server = await serveDirectory(
      options,
      (message) => notifyParent({ kind: 'problem', message }),
      (problem) => notifyParent({ kind: 'storage', problem: problem ?? null }),
    );
    notifyParent({ kind: 'ready', address: server.address });
    if (isEnding) await end();
  } catch (error) {
    const { message: reason, code } = error as NodeJS.ErrnoException;
    notifyParent({ kind: 'failed', reason, code });
    process.exitCode = 1;
    process.disconnect?.();
  }
}

await runAsChild(JSON.parse(process.argv[2] ?? '{}') as ServeOptions);
