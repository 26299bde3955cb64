import { Binary, Long, Timestamp } from 'bson';
import { type Document, isDocument } from '../../bson/values.js';

/** How far a client's cluster time may be ahead of this machine, as in MongoDB. */
const MAX_DRIFT_SECONDS = 365 * 24 * 3600;
/** The signature of a server without keys. */
const signature = { hash: new Binary(new Uint8Array(20)), keyId: Long.ZERO };

/**
 * The logical clock of the replica set. Drivers send the time of a reply back as `afterClusterTime`. Every read satisfies
 * it, because there is one node and reads see all acknowledged writes.
 */
export class ClusterTime {
  #now = new Timestamp({ t: 0, i: 0 });

  now(): Timestamp {
    return this.#now;
  }

  /** Advances to the time that a client sends, which can be later after a restart when the system clock was set back. */
  observe({ $clusterTime }: Document): void {
    if (!isDocument($clusterTime)) return;
    const { clusterTime } = $clusterTime;
    if (!(clusterTime instanceof Timestamp) || !clusterTime.greaterThan(this.#now)) return;
    const isCredible = clusterTime.getHighBitsUnsigned() < Date.now() / 1000 + MAX_DRIFT_SECONDS;
    if (isCredible) this.#now = clusterTime;
  }

  /** Adds a time to a reply that is later than that of all replies before. */
  stamp(reply: Document): Document {
    const clusterTime = this.#tick();
    return { ...reply, operationTime: clusterTime, $clusterTime: { clusterTime, signature } };
  }

  /** Advances the clock. It never decreases, even when the system clock does. */
  #tick(): Timestamp {
    const wall = new Timestamp({ t: Math.floor(Date.now() / 1000), i: 1 });
    const { t, i } = { t: this.#now.getHighBitsUnsigned(), i: this.#now.getLowBitsUnsigned() + 1 };
    this.#now = wall.greaterThan(this.#now) ? wall : new Timestamp({ t, i });
    return this.#now;
  }
}
