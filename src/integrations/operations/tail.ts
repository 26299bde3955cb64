import type { Response } from 'express';
import type { TrafficRecord } from '#shared/contracts/traffic.js';
import { GatewayError, invalid } from '../../errors.js';
import type { Clock } from '../../platform/clock.js';
import type { Traffic, TrafficFilter } from '../../realtime/traffic.js';

/** Streams of one node at a time. */
const STREAMS_MAX = 8;
/** Bytes that wait for a slow reader; what comes beyond is dropped and counted. */
const WAITING_MAX_BYTES = 262_144;
/** An empty line keeps proxies from closing a quiet stream, and finds readers that have vanished. */
const HEARTBEAT_MS = 15_000;

interface Dependencies {
  readonly traffic: Traffic;
  readonly clock: Clock;
  readonly isProduction: boolean;
}

/** Streams the traffic of this node to one reader until one of them ends. */
export type Tail = (response: Response, filter: TrafficFilter) => void;

/** Creates the handler of `GET /tail`. */
export function createTail({ traffic, clock, isProduction }: Dependencies): Tail {
  return function streamTail(response, filter) {
    if (filter.hasPayloads && isProduction) throw invalid('payloads', 'are shown by a development gateway only');
    if (traffic.watchers >= STREAMS_MAX) throw new GatewayError('RATE_LIMITED', { retryAfterMs: 60_000 });
    response.setHeader('Content-Type', 'application/x-ndjson');
    // Proxies would hold back the lines.
    response.setHeader('X-Accel-Buffering', 'no');
    response.flushHeaders();
    // Express answers HEAD by this route too.
    if (response.req.method === 'HEAD') return void response.end();

    let dropped = 0;
    const take = (record: TrafficRecord): void => {
      if (response.writableLength > WAITING_MAX_BYTES) {
        dropped += 1;
        return;
      }
      if (dropped > 0) response.write(`${JSON.stringify({ dropped })}\n`);
      dropped = 0;
      response.write(`${JSON.stringify(record)}\n`);
    };
    const end = traffic.watch(filter, take, () => void response.end());
    const stopHeartbeat = clock.every(HEARTBEAT_MS, () => {
      if (response.writableLength <= WAITING_MAX_BYTES) response.write('\n');
    });
    response.once('close', () => {
      end();
      stopHeartbeat();
    });
  };
}
