import type { Response } from 'express';
import { GatewayError } from '../errors.js';
import type { Clock } from '../platform/time/clock.js';

/** Streams of one node at a time. */
const STREAMS_MAX = 8;
/** Bytes that wait for a slow reader; what comes beyond is dropped and counted. */
const WAITING_MAX_BYTES = 262_144;
/** An empty line keeps proxies from closing a quiet stream, and finds readers that have vanished. */
const HEARTBEAT_MS = 15_000;
/** Maximum delay of the line about dropped lines, and of the end of a stream whose credential has expired. */
const CHECK_MS = 1000;

/** Lines of JSON to one reader. */
interface LineStream {
  /** @returns false when it was dropped, because the reader is slow */
  write(line: object): boolean;
  /** Lines were dropped before they got here. The reader gets their number: `{ dropped }`. */
  miss(count: number): void;
  end(): void;
}

/** Who reads a stream. */
export interface StreamReader {
  readonly response: Response;
  /** Checked every second. The stream ends when the credential by which it was opened is not valid any more. */
  readonly isStillValid: () => boolean;
}

/** What writes to a stream. */
export interface LineSource {
  /** @returns ends it */
  begin(stream: LineStream): () => void;
  /** Called then. The response begins when it has settled, or with the first line. Never rejects. */
  hasBegun(): Promise<unknown>;
}

/**
 * Streams lines until the reader or the node ends, or the credential of the reader is not valid any more.
 * @returns begins a stream as the answer to a call, and resolves when the response has begun
 *   @throws GatewayError `RATE_LIMITED` when there are too many
 */
export function createLineStreams(clock: Clock) {
  let streams = 0;
  return async function streamLines({ response, isStillValid }: StreamReader, source: LineSource): Promise<void> {
    if (streams >= STREAMS_MAX) throw new GatewayError('RATE_LIMITED', { retryAfterMs: 60_000 });
    response.setHeader('Content-Type', 'application/x-ndjson');
    // Proxies would hold back the lines.
    response.setHeader('X-Accel-Buffering', 'no');
    // Express answers HEAD by this route too.
    if (response.req.method === 'HEAD' || response.destroyed) return void response.end();

    let dropped = 0;
    const isFull = (): boolean => response.writableLength > WAITING_MAX_BYTES;
    const tell = (): void => {
      if (dropped > 0) response.write(`${JSON.stringify({ dropped })}\n`);
      dropped = 0;
    };
    let isOver = false;
    let end = (): void => {};
    const finish = (): void => {
      if (isOver) return;
      isOver = true;
      streams -= 1;
      for (const stop of stops) stop();
      end();
    };
    const stream: LineStream = {
      write(line) {
        if (isFull()) {
          dropped += 1;
          return false;
        }
        tell();
        response.write(`${JSON.stringify(line)}\n`);
        return true;
      },
      miss(count) {
        dropped += count;
      },
      end() {
        if (isOver) return;
        finish();
        tell();
        response.end();
      },
    };
    const check = (): void => {
      if (!isStillValid()) stream.end();
      else if (!isFull()) tell();
    };
    const stops = [clock.every(CHECK_MS, check), clock.every(HEARTBEAT_MS, () => isFull() || response.write('\n'))];
    streams += 1;
    end = source.begin(stream);
    response.once('close', finish);
    await source.hasBegun();
    if (!isOver && !response.headersSent) response.flushHeaders();
  };
}
