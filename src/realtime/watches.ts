import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type LiveKind, liveKinds } from '#shared/contracts/traffic.js';
import { toCanonicalJson } from '../platform/canonical-json.js';
import type { Clock } from '../platform/time/clock.js';
import { type Bus, ofForm } from './bus.js';
import type { Traffic } from './traffic.js';
import type { NodeRecord } from './traffic-record.js';
import type { TrafficFilter } from './traffic-watcher.js';

/** Records that a node sends to a watcher in each second; further ones are counted. */
const PER_SECOND_MAX = 200;
/** How long a node watches for another one that does not renew it. */
const LEASE_MS = 5000;
const RENEW_MS = 1500;
/** Records of this time are one message. */
const BATCH_MS = 100;
/** Watches that a node keeps for other nodes. */
const LEASES_MAX = 64;

const LEASES = 'traffic-leases';
const recordsTo = (node: string): string => `traffic-records:${node}`;

/** What is watched. */
export interface Watched {
  readonly filter: TrafficFilter;
  /** Absent: all nodes. */
  readonly node?: string | undefined;
}

/** What happened on a node. */
export interface WatchedRecord extends NodeRecord {
  /** The id of the node. */
  readonly node: string;
}

interface RecordWatcher<R> {
  take(record: R): void;
  /** Records were left out, or lost between the nodes. */
  miss(count: number): void;
  /** A node does not take part, because it has too many watches. Called again while it is so. */
  noteUnwatched(node: string): void;
  /** This node stops. */
  end(): void;
}

/** Receives what happens on the nodes. */
export type ClusterWatcher = RecordWatcher<WatchedRecord>;

/** Watches what happens on all nodes. */
export interface Watches {
  /** @returns ends it */
  watch(watched: Watched, watcher: ClusterWatcher): () => void;
  /** Ends all watchers of this node. */
  close(): void;
}

/** From the node of the reader: watch, or go on, until the lease ends. */
const leaseForm = z.object({
  id: z.string(),
  from: z.string(),
  node: z.string().optional(),
  /** The reader is gone. */
  isOver: z.boolean().optional(),
  filter: z.object({
    userId: z.string().optional(),
    namespace: z.string().optional(),
    event: z.string().optional(),
    code: z.string().optional(),
    kinds: z
      .array(z.enum(Object.keys(liveKinds) as [LiveKind]))
      .readonly()
      .optional(),
    hasPayloads: z.boolean(),
  }),
});
type Lease = z.output<typeof leaseForm>;

/** From a node that is watched. */
const batchForm = z.object({
  /** Of the lease. */
  id: z.string(),
  node: z.string(),
  /** Differs when the node watches again after the lease had ended. */
  run: z.string(),
  /** All records since the run began, with those that were left out. So a batch that was lost is noticed by the next one. */
  total: z.number(),
  records: z.array(z.custom<NodeRecord>((record) => typeof record === 'object' && record !== null)),
  /** The node does not watch, because it has too many watches. */
  isRefused: z.boolean().optional(),
});
type Batch = z.output<typeof batchForm>;

interface Dependencies {
  readonly traffic: Traffic;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly nodeId: string;
  /** Whether payloads of this node may be shown. A node in development may ask for them. */
  readonly mayShowPayloads: boolean;
}

/**
 * Watchers that ask the same share one watch, on this node and on the others, so that an event costs the same for one reader
 * and for many. Other nodes watch under a lease that this node renews: when the readers or this node are gone, they stop by
 * themselves. A node that starts later begins to watch at the next renewal. One that has too many watches says so to each renewal.
 */
export function createWatches({ traffic, bus, clock, nodeId, mayShowPayloads }: Dependencies): Watches {
  const readers = new Map<string, Reader>();
  const leases = new Map<string, { until: number; end(): void }>();
  const [here, everywhere] = [new SharedWatches<NodeRecord>(), new SharedWatches<WatchedRecord>()];

  const watchHere = (asked: TrafficFilter, watcher: RecordWatcher<NodeRecord>): (() => void) => {
    const filter = { ...asked, hasPayloads: asked.hasPayloads && mayShowPayloads };
    return here.join(filter, watcher, (all) =>
      traffic.watch(filter, {
        perSecondMax: PER_SECOND_MAX,
        take: all.take,
        miss: () => all.miss(1),
        end: all.end,
      }),
    );
  };

  const begin = ({ id, from, filter }: Lease): void => {
    const run = randomUUID();
    let records: NodeRecord[] = [];
    let total = 0;
    let told = 0;
    const flush = (): void => {
      if (total === told) return;
      bus.publish(recordsTo(from), { id, node: nodeId, run, total, records } satisfies Batch);
      told = total;
      records = [];
    };
    const end = (): void => {
      if (!leases.delete(id)) return;
      stopWatching();
      stopTicking();
      flush();
    };
    const stopWatching = watchHere(filter, {
      take(record) {
        total += 1;
        records.push(record);
      },
      miss(count) {
        total += count;
      },
      noteUnwatched: () => undefined,
      end,
    });
    const lease = { until: clock.now() + LEASE_MS, end };
    const stopTicking = clock.every(BATCH_MS, () => (clock.now() < lease.until ? flush() : end()));
    leases.set(id, lease);
  };

  const refuse = ({ id, from }: Lease): void =>
    bus.publish(recordsTo(from), { id, node: nodeId, run: '', total: 0, records: [], isRefused: true } satisfies Batch);

  const receiveLease = (lease: Lease): void => {
    const known = leases.get(lease.id);
    if (lease.isOver === true) known?.end();
    else if (known !== undefined) known.until = clock.now() + LEASE_MS;
    else if ((lease.node ?? nodeId) !== nodeId) return;
    else if (leases.size < LEASES_MAX) begin(lease);
    else refuse(lease);
  };
  bus.subscribe(LEASES, ofForm(leaseForm, receiveLease));
  const receiveBatch = (batch: Batch): void => readers.get(batch.id)?.receive(batch);
  bus.subscribe(recordsTo(nodeId), ofForm(batchForm, receiveBatch));

  const watchElsewhere = (watched: Watched, watcher: ClusterWatcher): (() => void) => {
    const id = randomUUID();
    const lease: Lease = { ...watched, id, from: nodeId };
    readers.set(id, new Reader(watcher));
    const renew = (): void => bus.publish(LEASES, lease);
    renew();
    const stopRenewing = clock.every(RENEW_MS, renew);
    return () => {
      stopRenewing();
      if (readers.delete(id)) bus.publish(LEASES, { ...lease, isOver: true } satisfies Lease);
    };
  };

  return {
    watch(watched, watcher) {
      return everywhere.join(watched, watcher, (all) => {
        const own = { ...all, take: (record: NodeRecord) => all.take({ ...record, node: nodeId }) };
        const ends = [
          ...((watched.node ?? nodeId) === nodeId ? [watchHere(watched.filter, own)] : []),
          ...(watched.node === nodeId ? [] : [watchElsewhere(watched, all)]),
        ];
        return () => {
          for (const end of ends) end();
        };
      });
    },
    close() {
      for (const { watcher } of [...readers.values()]) watcher.end();
    },
  };
}

/** Watchers that ask the same share one watch, which begins with the first and ends with the last of them. */
class SharedWatches<R> {
  readonly #shared = new Map<string, { readonly watchers: Set<RecordWatcher<R>>; readonly end: () => void }>();

  /** @param begin begins the watch for all of them @returns ends that of the watcher */
  join(question: object, watcher: RecordWatcher<R>, begin: (all: RecordWatcher<R>) => () => void): () => void {
    const key = toCanonicalJson(question);
    const shared = this.#shared.get(key) ?? this.#begin(key, begin);
    shared.watchers.add(watcher);
    return () => {
      if (!shared.watchers.delete(watcher) || shared.watchers.size > 0) return;
      this.#shared.delete(key);
      shared.end();
    };
  }

  #begin(key: string, begin: (all: RecordWatcher<R>) => () => void) {
    const watchers = new Set<RecordWatcher<R>>();
    const end = begin({
      take(record) {
        for (const watcher of watchers) watcher.take(record);
      },
      miss(count) {
        for (const watcher of watchers) watcher.miss(count);
      },
      noteUnwatched(node) {
        for (const watcher of watchers) watcher.noteUnwatched(node);
      },
      end() {
        for (const watcher of [...watchers]) watcher.end();
      },
    });
    const shared = { watchers, end };
    this.#shared.set(key, shared);
    return shared;
  }
}

/** What other nodes have sent to a watcher of this node. */
class Reader {
  readonly watcher: ClusterWatcher;
  /** By node. */
  readonly #heard = new Map<string, Pick<Batch, 'run' | 'total'>>();

  constructor(watcher: ClusterWatcher) {
    this.watcher = watcher;
  }

  receive({ node, run, total, records, isRefused = false }: Batch): void {
    if (isRefused) {
      this.watcher.noteUnwatched(node);
      return;
    }
    const before = this.#heard.get(node);
    const heard = before?.run === run ? before.total : 0;
    this.#heard.set(node, { run, total });
    for (const record of records) this.watcher.take({ ...record, node });
    const missed = total - heard - records.length;
    if (missed > 0) this.watcher.miss(missed);
  }
}
