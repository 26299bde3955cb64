import { type Document, type MongoProxy, nameOf } from './mongo-proxy.js';

/** Codes after which a server labels a write as one to send again. */
const RETRYABLE_CODES: ReadonlySet<number> = new Set([91, 189, 10_107, 11_600, 11_602]);

/**
 * Lets the server behind a proxy refuse commands. Fail points of a server would do so for every test that runs on it, and
 * MongoDB has them only when it was started for tests.
 * @param times how many are refused; by default all
 * @returns ends it
 */
export function refuseCommands(
  proxy: MongoProxy,
  names: readonly string[],
  { code, times = Number.POSITIVE_INFINITY }: { code: number; times?: number },
): () => void {
  let left = times;
  const onCommand = (command: Document): Document | undefined => {
    if (left === 0 || !names.includes(nameOf(command))) return undefined;
    left -= 1;
    const isRetryable = command['txnNumber'] !== undefined && command['autocommit'] === undefined;
    const errorLabels = isRetryable && RETRYABLE_CODES.has(code) ? ['RetryableWriteError'] : [];
    return { ok: 0, code, errmsg: 'refused by a test', errorLabels };
  };
  proxy.rules.onCommand = onCommand;
  return () => {
    if (proxy.rules.onCommand === onCommand) delete proxy.rules.onCommand;
  };
}
