import type { z } from 'zod';
import { toCanonicalId } from '#shared/contracts/primitives.js';
import type { LiveKind, liveQuestion } from '#shared/contracts/traffic.js';
import type { StreamReader } from '../../framework/line-streams.js';
import { createWatchStreams, type WatchContext } from '../../framework/watch-streams.js';

/** Streams what happens on all nodes, or on one. */
export function createLive(context: WatchContext) {
  const streamWatched = createWatchStreams(context);
  /** @throws GatewayError `NOT_FOUND` for a node that is not alive */
  return function streamLive(reader: StreamReader, question: z.output<typeof liveQuestion>): Promise<void> {
    const { user, node, kinds, ...filter } = question;
    const userId = user && toCanonicalId(user);
    const asked = kinds?.split(',') as LiveKind[] | undefined;
    return streamWatched(reader, { filter: { ...filter, hasPayloads: false, userId, kinds: asked }, node });
  };
}
