import type { mongo } from 'mongoose';
import type { Logger } from '../logging/logger.js';

/** Nodes whose clocks differ from that of the database by less than this differ from each other by less than 5 s. */
const DIFFERENCE_MAX_MS = 2500;
/** Replies in a row that show it. A single one may have been late, or read late. */
const REPLIES = 3;

/**
 * Logs when the clock of this machine differs from that of the database, and when it does not any more. The driver asks each server
 * for its state every 10 s, and the reply has the time of the server.
 */
export function watchClock(client: mongo.MongoClient, logger: Logger): void {
  let recent: readonly number[] = [];
  let differs = false;
  client.on('serverHeartbeatSucceeded', ({ reply: { isWritablePrimary, localTime } }) => {
    // One clock for all nodes: that of the primary, or of a `mongos`.
    if (isWritablePrimary !== true || !(localTime instanceof Date)) return;
    recent = [...recent, Date.now() - localTime.getTime()].slice(-REPLIES);
    const differenceMs = smallestOf(recent);
    const differsNow = recent.length === REPLIES && Math.abs(differenceMs) > DIFFERENCE_MAX_MS;
    if (differsNow === differs) return;
    differs = differsNow;
    if (differs) logger.warn({ differenceMs }, 'the clock of this machine differs from that of the database');
    else logger.info({ differenceMs }, 'the clock of this machine agrees with that of the database');
  });
}

const smallestOf = (values: readonly number[]): number =>
  values.reduce((smallest, value) => (Math.abs(value) < Math.abs(smallest) ? value : smallest));
