import type { TrafficGap } from '#shared/contracts/traffic.js';
import { GatewayError } from '../errors.js';
import { createAskNodes } from '../realtime/ask-nodes.js';
import type { Watched, WatchedRecord } from '../realtime/watches.js';
import type { Context } from './context.js';
import { createLineStreams, type StreamReader } from './line-streams.js';

/** Answered by a node that has received what was sent to it before. */
const REACHED = 'watch-streams.reached';

/** What {@link createWatchStreams} needs. */
export type WatchContext = Pick<Context, 'watches' | 'clock' | 'presence' | 'nodeCalls' | 'localNode'>;

/**
 * Streams what happens on all nodes, or on one, as the response to a call. It begins when all of them watch: a reader misses
 * nothing that happens after that.
 * @returns begins a stream @throws GatewayError `NOT_FOUND` for a node that is not alive, `RATE_LIMITED` as {@link createLineStreams}
 */
export function createWatchStreams(context: WatchContext) {
  const { watches, clock, presence, nodeCalls } = context;
  const askNodes = createAskNodes(context);
  nodeCalls.handle(REACHED, () => true);
  const streamLines = createLineStreams(clock);
  return async function streamWatched(
    reader: StreamReader,
    watched: Watched,
    toLine: (record: WatchedRecord) => object = (record) => record,
  ): Promise<void> {
    const { node } = watched;
    if (node !== undefined && !(await presence.nodes()).includes(node)) throw new GatewayError('NOT_FOUND');
    await streamLines(reader, {
      begin(stream) {
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
      },
      hasBegun: () => askNodes(REACHED, {}),
    });
  };
}

/** As {@link createWatchStreams} makes it. */
export type StreamWatched = ReturnType<typeof createWatchStreams>;
