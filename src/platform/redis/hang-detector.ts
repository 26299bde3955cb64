import type { CommandClient } from './connection.js';
import { HUNG_AFTER_MS } from './server-connection.js';

const PING_INTERVAL_MS = 500;

/** Detects a hung connection. @returns stops it */
export function watchConnection(client: CommandClient, onHung: () => void): () => void {
  let isPinging = false;
  const timer = setInterval(() => {
    if (isPinging || !client.isReady) return;
    isPinging = true;
    // After a pause of this process the reply may already be in the socket when the timer fires. Two turns of the event
    // loop let it be read.
    const limit = setTimeout(() => setImmediate(() => setImmediate(() => isPinging && drop())), HUNG_AFTER_MS);
    limit.unref();
    const settle = (): void => {
      clearTimeout(limit);
      isPinging = false;
    };
    client.ping().then(settle, settle);
  }, PING_INTERVAL_MS).unref();

  /**
   * The connection is half-open, or Redis hangs. The time-outs of node-redis end when a command is written, and its idle
   * time-out never fires while commands are written; hence the own ping.
   */
  const drop = (): void => {
    if (!client.isReady) return;
    onHung();
    client.reconnect();
  };
  return () => clearInterval(timer);
}
