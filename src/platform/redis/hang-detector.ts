import type { CommandClient } from './connection.js';
import { HUNG_AFTER_MS } from './server-connection.js';

const LOOK_INTERVAL_MS = 500;
/** Without an answer for so many looks a connection is hung. */
const LOOKS = HUNG_AFTER_MS / LOOK_INTERVAL_MS;
/** A connection without commands for so long is pinged. The self-check sends some to each every second. */
const QUIET_MS = 1_500;

/**
 * Detects a hung connection: it is half-open, or Redis hangs. The time-outs of node-redis end when a command is written, and its
 * idle time-out never fires while commands are written. It counts looks, each of which had its time, because time alone says
 * nothing: while this process stood still, or its machine, nothing was written, answered or read. @returns stops it
 */
export function watchConnection(client: CommandClient, onHung: () => void): () => void {
  const { answers } = client;
  let [unanswered, lookedAt] = [0, performance.now()];
  const drop = (): void => {
    if (!client.isReady || answers.waitingMs() < LOOK_INTERVAL_MS) return;
    unanswered = 0;
    onHung();
    client.reconnect();
  };
  const timer = setInterval(() => {
    const sinceLookMs = performance.now() - lookedAt;
    lookedAt += sinceLookMs;
    const isUnanswered = client.isReady && answers.waitingMs() > sinceLookMs;
    unanswered = isUnanswered ? unanswered + 1 : 0;
    // The answer may already be in the socket when the timer fires. Two turns of the event loop let it be read.
    if (unanswered >= LOOKS) setImmediate(() => setImmediate(drop));
    else if (client.isReady && answers.quietMs() > QUIET_MS) client.ping().catch(() => undefined);
  }, LOOK_INTERVAL_MS).unref();
  return () => clearInterval(timer);
}
