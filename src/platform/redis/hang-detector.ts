import type { CommandClient } from './connection.js';
import { HUNG_AFTER_MS } from './server-connection.js';

const WATCH_INTERVAL_MS = 500;
/** A connection without commands for so long is pinged. The self-check sends some to each every second. */
const QUIET_MS = 1_500;

/**
 * Detects a hung connection: it is half-open, or Redis hangs. The time-outs of node-redis end when a command is written, and its
 * idle time-out never fires while commands are written. @returns stops it
 */
export function watchConnection(client: CommandClient, onHung: () => void): () => void {
  const { answers } = client;
  const isHung = (): boolean => client.isReady && answers.waitingMs() > HUNG_AFTER_MS;
  const drop = (): void => {
    if (!isHung()) return;
    onHung();
    client.reconnect();
  };
  const timer = setInterval(() => {
    // After a pause of this process the answer may already be in the socket when the timer fires. Two turns of the event loop
    // let it be read.
    if (isHung()) setImmediate(() => setImmediate(drop));
    else if (client.isReady && answers.quietMs() > QUIET_MS) client.ping().catch(() => undefined);
  }, WATCH_INTERVAL_MS).unref();
  return () => clearInterval(timer);
}
