import { Timestamp } from 'bson';
import { type Document, isDocument } from '../bson/values.js';

/** How far a client's cluster time may be ahead of this machine, as in MongoDB. */
const MAX_DRIFT_SECONDS = 365 * 24 * 3600;

/**
 * The logical clock of the replica set. Drivers send the `operationTime` of a reply back as `afterClusterTime`. Every read
 * satisfies it, because there is one node and reads see all acknowledged writes. Replies have no `$clusterTime`: it is for drivers
 * that talk to several nodes, who parse it in each reply and send it with each command.
 */
export class ClusterTime {
  #now = new Timestamp({ t: 0, i: 0 });

  now(): Timestamp {
    return this.#now;
  }

  /** Advances to the times that a client sends, which can be later after a restart when the system clock was set back. */
  observe({ $clusterTime, readConcern }: Document): void {
    if (isDocument($clusterTime)) this.#advanceTo($clusterTime['clusterTime']);
    if (isDocument(readConcern)) this.#advanceTo(readConcern['afterClusterTime']);
  }

  #advanceTo(time: unknown): void {
    if (!(time instanceof Timestamp) || !time.greaterThan(this.#now)) return;
    const isCredible = time.getHighBitsUnsigned() < Date.now() / 1000 + MAX_DRIFT_SECONDS;
    if (isCredible) this.#now = time;
  }

  /** The time of the next reply, later than that of all replies before. It never decreases, even when the system clock does. */
  next(): Timestamp {
    const wall = new Timestamp({ t: Math.floor(Date.now() / 1000), i: 1 });
    const { t, i } = { t: this.#now.getHighBitsUnsigned(), i: this.#now.getLowBitsUnsigned() + 1 };
    this.#now = wall.greaterThan(this.#now) ? wall : new Timestamp({ t, i });
    return this.#now;
  }
}
