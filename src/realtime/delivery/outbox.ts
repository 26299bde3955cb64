import type { GatewaySocket } from '../../transport/dispatch.js';
import { Gaps } from './gaps.js';
import type { Mailbox, PendingQuery } from './mailbox.js';
import { contentOf, type Entry, isHeardOn } from './message.js';

/** The most messages of one `_batch`, and their bytes. */
const BATCH_MAX = 500;
const BATCH_MAX_BYTES = 262_144;
/** Live messages a client may leave unacknowledged; the rest waits in the database. */
export const UNACKNOWLEDGED_MAX = 500;

/** Whose outbox. */
export interface Device {
  /** Key of the recipient. */
  readonly recipient: string;
  readonly deviceId: string;
}

/** What an outbox needs of those around it. */
export interface OutboxDependencies {
  /** In which phase it begins. */
  readonly phase: 'catching up' | 'live';
  readonly mailbox: Mailbox;
  now(): number;
  /** The client has acknowledged. */
  acknowledge(outbox: Outbox, entries: readonly Entry[]): void;
  /** The socket has been offered it for the first time. */
  sent(entry: Entry): void;
  /** The database could not be read. */
  failed(error: unknown): void;
}

/**
 * What goes out over one socket. It is in one of three phases:
 *
 * - **catching up**: what waited goes out as `_batch`, one after the other, each after the acknowledgement of the one
 *   before. What is offered meanwhile is left alone; it is in the database, and the next look finds it.
 * - **live**: what is offered goes out at once, each message with an acknowledgement of its own.
 * - **looking**: a number is missing, or the client has left too much unacknowledged. Nothing that is offered goes out,
 *   because it would overtake; the database is asked in order, and the outbox is live again when nothing is left.
 *
 * `cursor` is the number up to which everything has gone out or was not to be had. A number below it that turns up late
 * was sent at the same moment as a later one, so either order is right; it lies in one of the `gaps`.
 */
export class Outbox {
  readonly socket: GatewaySocket;
  readonly device: Device;
  /** Sent and not acknowledged, in order. */
  readonly unacknowledged = new Map<string, Entry>();
  readonly #dependencies: OutboxDependencies;
  /** An outbox that has passed over nothing has none. */
  #gaps: Gaps | undefined;
  #cursor = 0;
  #phase: 'catching up' | 'live' | 'looking';
  /** Something was offered that did not go out. */
  #isBehind = false;
  #isClosed = false;

  constructor(socket: GatewaySocket, device: Device, dependencies: OutboxDependencies) {
    this.socket = socket;
    this.device = device;
    this.#dependencies = dependencies;
    this.#phase = dependencies.phase;
  }

  /** Nothing ever went through it: another one would be the same. */
  get isUnused(): boolean {
    return this.#phase === 'live' && this.#cursor === 0 && !this.#isBehind && this.unacknowledged.size === 0;
  }

  close(): void {
    this.#isClosed = true;
    this.unacknowledged.clear();
  }

  /** Sends what waits, then goes live. @param last the highest number given so far */
  async catchUp(last: number): Promise<void> {
    // Most users never had a message.
    if (last === 0 && !this.#isBehind) this.#phase = 'live';
    while (!this.#isClosed && this.#phase !== 'live') {
      this.#isBehind = false;
      const batch = bounded(await this.#fetch());
      if (batch.length > 0) {
        await this.#sendBatch(batch);
      } else if (!this.#isBehind) {
        this.#skipTo(last);
        this.#phase = 'live';
      }
    }
  }

  /** Something new for this device. */
  offer(entry: Entry): void {
    if (this.#isClosed) return;
    if (this.#phase !== 'live' || this.unacknowledged.size >= UNACKNOWLEDGED_MAX) {
      this.#isBehind = true;
    } else if (entry.seq <= this.#cursor) {
      if (this.#gaps?.take(entry.seq)) this.#send(entry);
    } else if (entry.seq === this.#cursor + 1) {
      this.#cursor = entry.seq;
      this.#send(entry);
    } else {
      this.look(entry.seq);
    }
  }

  /**
   * Makes good for what has not come by itself.
   * @param last the highest number given so far
   */
  look(last: number): void {
    if (this.#isClosed || this.#phase === 'catching up') return;
    this.#isBehind ||= last > this.#cursor;
    const isStalled = this.unacknowledged.size >= UNACKNOWLEDGED_MAX;
    if (this.#phase === 'looking' || isStalled || (!this.#isBehind && this.#gaps === undefined)) return;
    this.#phase = 'looking';
    this.#lookAll(last)
      .catch((error: unknown) => {
        this.#isBehind = true;
        this.#dependencies.failed(error);
      })
      .finally(() => {
        this.#phase = 'live';
      });
  }

  /** Forgets an entry that was acknowledged, here or on another socket of the device, and goes on if it had stalled. */
  settle(entry: Entry): void {
    this.unacknowledged.delete(entry.id);
    if (this.#isBehind && this.unacknowledged.size <= UNACKNOWLEDGED_MAX / 2) this.look(this.#cursor);
  }

  /** The oldest message of the same event that an acknowledgement has overtaken, when that calls for a fresh start. */
  overtakenBy([acknowledged]: readonly Entry[]): Entry | undefined {
    if (acknowledged === undefined || !acknowledged.isResync) return undefined;
    const [event] = contentOf(acknowledged);
    for (const entry of this.unacknowledged.values()) {
      if (entry.seq >= acknowledged.seq) return undefined;
      if (contentOf(entry)[0] === event) return entry;
    }
    return undefined;
  }

  async #lookAll(last: number): Promise<void> {
    // A message that was stored before any device was known may be what is missing.
    for (const seq of await this.#dependencies.mailbox.claim(this.device.recipient, this.device.deviceId)) {
      if (seq <= this.#cursor && this.#gaps?.covers(seq) !== true) this.#pass({ after: seq - 1, upTo: seq });
    }
    if (!(await this.#lookForMissing())) {
      this.#isBehind = true;
      return;
    }
    for (;;) {
      this.#isBehind = false;
      const entries = await this.#fetch();
      for (const entry of entries) {
        if (this.#isClosed) return;
        if (this.unacknowledged.size >= UNACKNOWLEDGED_MAX) {
          this.#isBehind = true;
          return;
        }
        this.#skipTo(entry.seq - 1);
        this.#cursor = entry.seq;
        this.#send(entry);
      }
      if (entries.length === 0 && !this.#isBehind) return this.#skipTo(last);
    }
  }

  /** Sends what has turned up late. @returns whether that was all: the client may have to acknowledge something first */
  async #lookForMissing(): Promise<boolean> {
    const gaps = this.#gaps;
    if (gaps === undefined) return true;
    gaps.expire(this.#dependencies.now());
    let { after } = gaps;
    for (let isLast = gaps.isEmpty; !isLast; ) {
      const entries = await this.#fetch({ after, upTo: gaps.upTo });
      for (const entry of entries) {
        if (this.unacknowledged.size >= UNACKNOWLEDGED_MAX) return false;
        if (gaps.take(entry.seq)) this.#send(entry);
        after = entry.seq;
      }
      isLast = entries.length < BATCH_MAX || gaps.isEmpty;
    }
    if (gaps.isEmpty) this.#gaps = undefined;
    return true;
  }

  #fetch(range: { after: number; upTo?: number } = { after: this.#cursor }): Promise<Entry[]> {
    const namespace = this.socket.nsp.name;
    const { recipient, deviceId } = this.device;
    const query: PendingQuery = { recipient, device: deviceId, namespace, limit: BATCH_MAX, ...range };
    return this.#dependencies.mailbox.pending(query);
  }

  /** Moves the cursor past numbers of which nothing is stored, or not yet: a write of the same moment may follow. */
  #skipTo(last: number): void {
    if (last <= this.#cursor) return;
    this.#pass({ after: this.#cursor, upTo: last });
    this.#cursor = last;
  }

  #pass(numbers: { after: number; upTo: number }): void {
    this.#gaps ??= new Gaps();
    this.#gaps.add(numbers, this.#dependencies.now());
  }

  #send(entry: Entry): void {
    const namespace = this.socket.nsp.name;
    if (!isHeardOn(namespace, entry.namespace)) return;
    this.unacknowledged.set(entry.id, entry);
    this.#note(entry);
    const [event, ...args] = contentOf(entry);
    this.socket.emit(event, ...args, () => this.#dependencies.acknowledge(this, [entry]));
  }

  #note(entry: Entry): void {
    if (entry.keepsReceipt && !entry.isSent) this.#dependencies.sent(entry);
  }

  /** Resolves with the acknowledgement; never, when there is none. */
  #sendBatch(batch: readonly Entry[]): Promise<void> {
    for (const entry of batch) {
      this.#skipTo(entry.seq - 1);
      this.#cursor = entry.seq;
      this.#note(entry);
    }
    return new Promise((resolve) => {
      this.socket.emit('_batch', batch.map(contentOf), () => {
        this.#dependencies.acknowledge(this, batch);
        resolve();
      });
    });
  }
}

/** As many as one batch may hold, at least one. */
function bounded(entries: readonly Entry[]): readonly Entry[] {
  let bytes = 0;
  const tooMany = entries.findIndex(({ body }) => {
    bytes += Buffer.byteLength(body);
    return bytes > BATCH_MAX_BYTES;
  });
  return tooMany === -1 ? entries : entries.slice(0, Math.max(1, tooMany));
}
