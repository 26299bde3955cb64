import { type CountChange, type CountKind, countKinds, type PeerCounts } from '../platform/peer-counts.js';
import type { Clock } from '../platform/time/clock.js';

/** How long changes are gathered before they are sent. */
const SHARE_AFTER_MS = 50;

/** Sums of changes by kind and key, without those that are 0. */
class Sums {
  readonly #sums = new Map<CountKind, Map<string, number>>(countKinds.map((kind) => [kind, new Map()]));

  add({ kind, key, by }: CountChange): void {
    const sums = this.#sums.get(kind);
    const sum = (sums?.get(key) ?? 0) + by;
    if (sum === 0) sums?.delete(key);
    else sums?.set(key, sum);
  }

  toChanges(): CountChange[] {
    return [...this.#sums].flatMap(([kind, sums]) => [...sums].map(([key, by]) => ({ kind, key, by })));
  }
}

/** The counts of a worker. */
export interface WorkerCounts extends PeerCounts {
  /** Takes changes of other workers. */
  take(changes: readonly CountChange[]): void;
}

/** @param share sends changes to the other workers */
export function createWorkerCounts(clock: Clock, share: (changes: readonly CountChange[]) => void): WorkerCounts {
  const listeners = new Map<CountKind, (change: CountChange) => void>();
  /** What came before the gateway listens. */
  const early: CountChange[] = [];
  let gathered: Sums | undefined;
  const send = (): void => {
    const changes = gathered?.toChanges() ?? [];
    gathered = undefined;
    if (changes.length > 0) share(changes);
  };
  return {
    publish(change) {
      if (gathered === undefined) {
        gathered = new Sums();
        clock.after(SHARE_AFTER_MS, send);
      }
      gathered.add(change);
    },
    subscribe(kind, listener) {
      listeners.set(kind, listener);
      for (const change of early.filter((change) => change.kind === kind)) listener(change);
    },
    take(changes) {
      for (const change of changes) {
        const listener = listeners.get(change.kind);
        if (listener === undefined) early.push(change);
        else listener(change);
      }
    },
  };
}

/** Passes counts on between the workers of a primary. */
export interface CountExchange {
  /** A worker has started to listen: it gets the counts of the others. */
  join(worker: number): void;
  share(worker: number, changes: readonly CountChange[]): void;
  /** A worker has ended: the others take its counts back. */
  leave(worker: number): void;
}

/** @param send sends changes to a worker */
export function createCountExchange(send: (worker: number, changes: readonly CountChange[]) => void): CountExchange {
  const counts = new Map<number, Sums>();
  const sendToOthers = (from: number, changes: readonly CountChange[]): void => {
    for (const worker of counts.keys()) if (worker !== from && changes.length > 0) send(worker, changes);
  };
  return {
    join(worker) {
      for (const sums of counts.values()) send(worker, sums.toChanges());
      counts.set(worker, new Sums());
    },
    share(worker, changes) {
      // A refused CONNECT counts for a moment only, and is never taken back.
      for (const change of changes) if (change.kind !== 'refused') counts.get(worker)?.add(change);
      sendToOthers(worker, changes);
    },
    leave(worker) {
      const left = counts.get(worker)?.toChanges() ?? [];
      counts.delete(worker);
      sendToOthers(
        worker,
        left.map((change) => ({ ...change, by: -change.by })),
      );
    },
  };
}
