import type { z } from 'zod';
import type { operations } from '#shared/contracts/operations.js';
import type { LiveKind, TrafficRecord } from '#shared/contracts/traffic.js';
import { invalid } from '../../errors.js';
import type { StreamReader } from '../../framework/line-streams.js';
import type { StreamWatched } from '../../framework/watch-streams.js';
import type { WatchedRecord } from '../../realtime/watches.js';
import { isYes } from '../../validation.js';

interface Dependencies {
  readonly streamWatched: StreamWatched;
  readonly isProduction: boolean;
}

type Question = z.output<(typeof operations)['routes']['tail']['query']>;

/** Creates the handler of `GET /tail`: the events among what happens on all nodes. */
export function createTail({ streamWatched, isProduction }: Dependencies) {
  /** @throws GatewayError `NOT_FOUND` for a node that is not alive */
  return async function streamTail(reader: StreamReader, question: Question): Promise<void> {
    const { user: userId, namespace, node, payloads } = question;
    const hasPayloads = isYes(payloads);
    if (hasPayloads && isProduction) throw invalid('payloads', 'are shown by a development gateway only');
    await streamWatched(reader, { filter: { userId, namespace, hasPayloads, kinds }, node }, toTrafficRecord);
  };
}

const SOURCES = { event: 'client', emit: 'backend', sent: 'gateway' } as const;
const kinds = Object.keys(SOURCES) as (keyof typeof SOURCES)[];

const isSource = (kind: LiveKind): kind is keyof typeof SOURCES => Object.hasOwn(SOURCES, kind);

function toTrafficRecord(record: WatchedRecord): TrafficRecord {
  const { at, node, kind, namespace, event, code, isDurable, payload, userId, sockets, bytes } = record;
  return {
    at,
    node,
    from: isSource(kind) ? SOURCES[kind] : 'gateway',
    namespace: namespace ?? '',
    event: event ?? '',
    userId,
    sockets,
    bytes,
    ...(code !== null && { code }),
    ...(isDurable !== undefined && { isDurable }),
    ...(payload !== undefined && { payload: [...payload] }),
  };
}
