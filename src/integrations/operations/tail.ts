import type { LiveKind, TrafficRecord } from '#shared/contracts/traffic.js';
import { invalid } from '../../errors.js';
import type { StreamLines, StreamReader } from '../../framework/line-streams.js';
import type { Traffic } from '../../realtime/traffic.js';
import type { NodeRecord } from '../../realtime/traffic-record.js';
import type { TrafficFilter } from '../../realtime/traffic-watcher.js';

interface Dependencies {
  readonly traffic: Traffic;
  readonly streamLines: StreamLines;
  readonly isProduction: boolean;
}

/** Streams the events of this node to one reader until one of them ends. */
export type Tail = (reader: StreamReader, filter: Pick<TrafficFilter, 'userId' | 'namespace' | 'hasPayloads'>) => void;

/** Creates the handler of `GET /tail`: the events among what happens on this node. */
export function createTail({ traffic, streamLines, isProduction }: Dependencies): Tail {
  return function streamTail(reader, filter) {
    if (filter.hasPayloads && isProduction) throw invalid('payloads', 'are shown by a development gateway only');
    streamLines(reader, (stream) =>
      traffic.watch(
        { ...filter, kinds },
        { take: (record) => stream.write(toTrafficRecord(record)), end: () => stream.end() },
      ),
    );
  };
}

const SOURCES = { event: 'client', emit: 'backend', sent: 'gateway' } as const;
const kinds = Object.keys(SOURCES) as (keyof typeof SOURCES)[];

const isSource = (kind: LiveKind): kind is keyof typeof SOURCES => Object.hasOwn(SOURCES, kind);

function toTrafficRecord({ at, kind, namespace, event, code, isDurable, payload, ...who }: NodeRecord): TrafficRecord {
  return {
    at,
    from: isSource(kind) ? SOURCES[kind] : 'gateway',
    ...{ namespace: namespace ?? '', event: event ?? '' },
    ...{ userId: who.userId, sockets: who.sockets, bytes: who.bytes },
    ...(code !== null && { code }),
    ...(isDurable !== undefined && { isDurable }),
    ...(payload !== undefined && { payload: [...payload] }),
  };
}
