import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type LiveKind, type LiveRecord, liveKinds } from '#shared/contracts/traffic.js';
import type { Clock } from '../platform/clock.js';
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

/** Receives what happens on the nodes. */
export interface ClusterWatcher {
  take(record: LiveRecord): void;
  /** Records were left out, or lost between the nodes. */
  miss(count: number): void;
  /** This node stops. */
  end(): void;
}

/** Watches what happens on all nodes. */
export interface Watches {
  /** @returns ends it */
  watch(watched: Watched, watcher: ClusterWatcher): () => void;
  /** Ends all watchers of this node. */
  close(): void;
}

/** From the node of the reader: watch, or go on, until the lease ends. */
interface Lease extends Watched {
  readonly id: string;
  readonly from: string;
  /** The reader is gone. */
  readonly isOver?: boolean | undefined;
}

/** From a node that is watched. */
interface Batch {
  /** Of the lease. */
  readonly id: string;
  readonly node: string;
  /** Differs when the node watches again after the lease had ended. */
  readonly run: string;
  /** All records since the run began, with those that were left out. So a batch that was lost is noticed by the next one. */
  readonly total: number;
  readonly records: readonly NodeRecord[];
}

const leaseForm = z.object({
  ...{ id: z.string(), from: z.string(), node: z.string().optional(), isOver: z.boolean().optional() },
  filter: z.object({
    ...{ userId: z.string().optional(), namespace: z.string().optional() },
    ...{ event: z.string().optional(), code: z.string().optional() },
    kinds: z.array(z.enum(Object.keys(liveKinds) as [LiveKind])).optional(),
    hasPayloads: z.boolean(),
  }),
});
const batchForm = z.object({
  ...{ id: z.string(), node: z.string(), run: z.string(), total: z.number() },
  records: z.array(z.custom<NodeRecord>((record) => typeof record === 'object' && record !== null)),
});

interface Dependencies {
  readonly traffic: Traffic;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly nodeId: string;
}

/**
 * Other nodes watch under a lease that this node renews: when the reader or this node is gone, they stop by themselves. A node
 * that starts later begins to watch at the next renewal.
 */
export function createWatches({ traffic, bus, clock, nodeId }: Dependencies): Watches {
  const readers = new Map<string, Reader>();
  const leases = new Map<string, { until: number; end(): void }>();

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
    const stopWatching = traffic.watch(filter, {
      perSecondMax: PER_SECOND_MAX,
      take(record) {
        total += 1;
        records.push(record);
      },
      miss() {
        total += 1;
      },
      end,
    });
    const lease = { until: clock.now() + LEASE_MS, end };
    const stopTicking = clock.every(BATCH_MS, () => (clock.now() < lease.until ? flush() : end()));
    leases.set(id, lease);
  };

  const receiveLease = (lease: Lease): void => {
    const known = leases.get(lease.id);
    if (lease.isOver === true) known?.end();
    else if (known !== undefined) known.until = clock.now() + LEASE_MS;
    else if ((lease.node ?? nodeId) === nodeId && leases.size < LEASES_MAX) begin(lease);
  };
  bus.subscribe(LEASES, ofForm(leaseForm, receiveLease));
  const receiveBatch = (batch: Batch): void => readers.get(batch.id)?.receive(batch);
  bus.subscribe(recordsTo(nodeId), ofForm(batchForm, receiveBatch));

  const watchHere = (filter: TrafficFilter, { take, miss, end }: ClusterWatcher): (() => void) =>
    traffic.watch(filter, {
      perSecondMax: PER_SECOND_MAX,
      take: (record) => take({ ...record, node: nodeId }),
      miss: () => miss(1),
      end,
    });

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
      const ends = [
        ...((watched.node ?? nodeId) === nodeId ? [watchHere(watched.filter, watcher)] : []),
        ...(watched.node === nodeId ? [] : [watchElsewhere(watched, watcher)]),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
    close() {
      for (const { watcher } of [...readers.values()]) watcher.end();
    },
  };
}

/** What other nodes have sent to a watcher of this node. */
class Reader {
  readonly watcher: ClusterWatcher;
  /** By node. */
  readonly #heard = new Map<string, Pick<Batch, 'run' | 'total'>>();

  constructor(watcher: ClusterWatcher) {
    this.watcher = watcher;
  }

  receive({ node, run, total, records }: Batch): void {
    const before = this.#heard.get(node);
    const heard = before?.run === run ? before.total : 0;
    this.#heard.set(node, { run, total });
    for (const record of records) this.watcher.take({ ...record, node });
    const missed = total - heard - records.length;
    if (missed > 0) this.watcher.miss(missed);
  }
}
