import type { TrafficGap } from '#shared/contracts/traffic.js';
import { GatewayError } from '../errors.js';
import type { Watched, WatchedRecord } from '../realtime/watches.js';
import type { Context } from './context.js';
import { createLineStreams, type StreamReader } from './line-streams.js';

/**
 * Streams what happens on all nodes, or on one, as the answer to a call.
 * @returns begins a stream @throws GatewayError `NOT_FOUND` for a node that is not alive, `RATE_LIMITED` as {@link createLineStreams}
 */
export function createWatchStreams({ watches, clock, presence }: Pick<Context, 'watches' | 'clock' | 'presence'>) {
  const streamLines = createLineStreams(clock);
  return async function streamWatched(
    reader: StreamReader,
    watched: Watched,
    toLine: (record: WatchedRecord) => object = (record) => record,
  ): Promise<void> {
    const { node } = watched;
    if (node !== undefined && !(await presence.nodes()).includes(node)) throw new GatewayError('NOT_FOUND');
    streamLines(reader, (stream) => {
      const unwatched = new Set<string>();
      return watches.watch(watched, {
        take: (record) => void stream.write(toLine(record)),
        miss: (count) => stream.miss(count),
        noteUnwatched(missing) {
          if (!unwatched.has(missing) && stream.write({ dropped: 0, unwatched: missing } satisfies TrafficGap))
            unwatched.add(missing);
        },
        end: () => stream.end(),
      });
    });
  };
}

/** As {@link createWatchStreams} makes it. */
export type StreamWatched = ReturnType<typeof createWatchStreams>;
