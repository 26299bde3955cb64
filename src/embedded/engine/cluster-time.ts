import { Timestamp } from 'bson';
import { type Document, isDocument } from '../bson/values.js';

/** How far a client's cluster time may be ahead of this machine, as in MongoDB. */
const MAX_DRIFT_SECONDS = 365 * 24 * 3600;
/** A primary of MongoDB to which nothing is written makes an entry of its own in its oplog after this time. */
const NOTE_AFTER_SECONDS = 10;

/**
 * The logical clock of the replica set, which advances with what is stored. Drivers send the `operationTime` of a reply back as `afterClusterTime`. Every read
 * satisfies it, because there is one node and reads see all acknowledged writes. Replies have no `$clusterTime`: it is for drivers
 * that talk to several nodes, who parse it in each reply and send it with each command.
 */
export class ClusterTime {
  #now = wallTime();

  now(): Timestamp {
    return this.#now;
  }

  /** What a reply says: when something was stored last, as far as its reader may conclude from the time. */
  lastOperation(): Timestamp {
    const idleSeconds = Math.floor(Date.now() / 1000) - this.#now.getHighBitsUnsigned();
    return idleSeconds < NOTE_AFTER_SECONDS ? this.#now : this.next();
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

  /** The time of the next commit, later than all before. It never decreases, even when the system clock does. */
  next(): Timestamp {
    const wall = wallTime();
    const { t, i } = { t: this.#now.getHighBitsUnsigned(), i: this.#now.getLowBitsUnsigned() + 1 };
    this.#now = wall.greaterThan(this.#now) ? wall : new Timestamp({ t, i });
    return this.#now;
  }
}

const wallTime = (): Timestamp => new Timestamp({ t: Math.floor(Date.now() / 1000), i: 1 });
