import type { z } from 'zod';
import { toCanonicalId } from '#shared/contracts/primitives.js';
import type { LiveKind, liveQuestion } from '#shared/contracts/traffic.js';
import { GatewayError } from '../../errors.js';
import type { Context } from '../../framework/context.js';
import { createLineStreams, type StreamReader } from '../../framework/line-streams.js';

/** Streams what happens on all nodes, or on one. */
export function createLive({ watches, clock, presence }: Pick<Context, 'watches' | 'clock' | 'presence'>) {
  const streamLines = createLineStreams(clock);
  /** @throws GatewayError `NOT_FOUND` for a node that is not alive */
  return async function streamLive(reader: StreamReader, question: z.output<typeof liveQuestion>): Promise<void> {
    const { user, node, kinds, ...filter } = question;
    if (node !== undefined && !(await presence.nodes()).includes(node)) throw new GatewayError('NOT_FOUND');
    const watched = {
      filter: {
        ...{ ...filter, hasPayloads: false },
        userId: user && toCanonicalId(user),
        kinds: kinds?.split(',') as LiveKind[] | undefined,
      },
      node,
    };
    streamLines(reader, (stream) =>
      watches.watch(watched, {
        take: (record) => stream.write(record),
        miss: (count) => stream.miss(count),
        end: () => stream.end(),
      }),
    );
  };
}
