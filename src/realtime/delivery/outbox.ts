import type { GatewaySocket } from '../../sockets/socket.js';
import { type Acked, type AckedByNamespace, isAcked } from './acked.js';
import type { Cursor } from './cursors.js';
import type { Log } from './log.js';
import { contentOf, type Entry, EVERYWHERE, isHeardOn } from './message.js';

/** The most messages of one `_batch`, and their bytes. */
const BATCH_MAX = 500;
const BATCH_MAX_BYTES = 262_144;
/** Live messages a client may leave unacknowledged; the rest waits in the database. */
export const UNACKNOWLEDGED_MAX = 500;
/** When a read that failed is made again. */
const RETRY_MS = 2000;

/** Whose outbox. */
export interface Device {
  /** Key of the recipient. */
  readonly recipient: string;
  readonly deviceId: string;
}

/** What an outbox needs of those around it. */
export interface OutboxDependencies {
  readonly log: Log;
  now(): number;
  after(delayMs: number, task: () => void): () => void;
  /** The client has acknowledged. */
  acknowledge(outbox: Outbox, entries: readonly Entry[]): void;
  /** The socket is about to be offered it. */
  sent(cursor: Cursor, entry: Entry): void;
  /** Its own time was over before it was sent. */
  expired(outbox: Outbox, entry: Entry): void;
  /** The database could not be read. */
  failed(error: unknown): void;
}

/** Where an outbox begins. */
export interface Beginning {
  readonly cursor: Cursor;
  /** Everything up to here has gone out before. */
  readonly position: number;
  /** The highest position that is known to exist. */
  readonly last: number;
}

/**
 * What goes out over one socket, in order of positions. It is in one of four phases:
 *
 * - **opening**: the database has not said yet where the device stands. Nothing goes out.
 * - **catching up**: what waited goes out as `_batch`, one after the other, each after the acknowledgement of the one
 *   before. Entries that are offered meanwhile are left alone: the database has them.
 * - **live**: an entry that follows directly on what has gone out goes out at once, with an acknowledgement of its own.
 * - **reading**: something in between is missing, or the client had left too much unacknowledged. The log is read in order,
 *   and the outbox is live again when nothing is left.
 *
 * Position n + 1 is only ever stored after n exists, so a read that finds an entry finds everything before it.
 */
export class Outbox {
  readonly socket: GatewaySocket;
  readonly device: Device;
  /** Sent and not acknowledged, in order. */
  readonly unacknowledged = new Map<number, Entry>();
  /** The client was told on this connection that it lost something. */
  isTold = false;
  readonly #dependencies: OutboxDependencies;
  readonly #namespaces: readonly string[];
  /** By namespace: the highest position that was acknowledged here. */
  readonly #highest: Record<string, number> = {};
  #cursor: Cursor | undefined;
  #phase: 'opening' | 'catching up' | 'live' | 'reading' = 'opening';
  /** Everything up to here has gone out, or is not for this socket. */
  #position = 0;
  /** The highest position that is known to exist. */
  #last = 0;
  /** The last read did not reach the end of the log: there may be more than `#last` says. */
  #isTruncated = false;
  #isClosed = false;

  constructor(socket: GatewaySocket, device: Device, dependencies: OutboxDependencies) {
    this.socket = socket;
    this.device = device;
    this.#dependencies = dependencies;
    this.#namespaces = [socket.nsp.name, EVERYWHERE];
  }

  get position(): number {
    return this.#position;
  }

  /** Nothing is on its way through it: another one that begins at its position would be the same. */
  get isIdle(): boolean {
    return this.#phase === 'live' && !this.#hasUnread && this.unacknowledged.size === 0;
  }

  get #hasUnread(): boolean {
    return this.#isTruncated || this.#last > this.#position;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isCatchingUp(): boolean {
    return this.#phase === 'catching up';
  }

  /** Of the device; `undefined` while the database has not said where it stands. */
  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Begins to send at once. */
  resume({ cursor, position, last }: Beginning): void {
    this.#cursor = cursor;
    this.#position = Math.max(this.#position, position);
    this.#last = Math.max(this.#last, last);
    this.#phase = 'live';
    this.#readOn();
  }

  /** Sends what waited, then begins to send at once. @param isOld whether an entry was there before the client connected */
  async catchUp(beginning: Beginning, isOld: (entry: Entry) => boolean): Promise<void> {
    this.#phase = 'catching up';
    this.#cursor = beginning.cursor;
    this.#position = Math.max(this.#position, beginning.position);
    for (let isDone = false; !isDone; ) {
      const { entries, isLast } = await this.#fetch();
      if (this.#isClosed) return;
      const old = entries.slice(0, lengthWhile(entries, isOld));
      const batch = this.#takeBatch(old);
      if (batch.length > 0) await this.#sendBatch(batch);
      const hasTakenAll = this.#position >= (old.at(-1)?.position ?? 0);
      isDone = hasTakenAll && (isLast || old.length < entries.length);
    }
    this.resume(beginning);
  }

  /** An entry was stored. */
  offer(entry: Entry): void {
    const isNext = this.#phase === 'live' && entry.position === this.#position + 1;
    if (isNext && !this.#isClosed && this.unacknowledged.size < UNACKNOWLEDGED_MAX) {
      this.#position = entry.position;
      this.#last = Math.max(this.#last, entry.position);
      if (isHeardOn(this.socket.nsp.name, entry.namespace)) this.#send(entry);
      this.#readOn();
    } else {
      this.look(entry.position);
    }
  }

  /** Something was stored at a position, perhaps unnoticed. */
  look(position: number): void {
    this.#last = Math.max(this.#last, position);
    this.#readOn();
  }

  /** An entry was acknowledged, here or on another socket of the device. */
  settle({ position, namespace }: Entry): void {
    if (!this.unacknowledged.delete(position)) return;
    this.#highest[namespace] = Math.max(position, this.#highest[namespace] ?? 0);
    if (this.unacknowledged.size <= UNACKNOWLEDGED_MAX / 2) this.#readOn();
  }

  /** Everything up to a position has become useless. */
  skipTo(position: number): void {
    this.unacknowledged.clear();
    this.#position = Math.max(this.#position, position);
  }

  /** What the client has acknowledged, as far as this outbox knows: it has sent everything up to its position in order. */
  claims(): AckedByNamespace {
    return Object.fromEntries(this.#namespaces.map((namespace) => [namespace, this.#claim(namespace)]));
  }

  /** The oldest message of the same event that an acknowledgement has overtaken, when that calls for a fresh start. */
  overtakenBy([acknowledged]: readonly Entry[]): Entry | undefined {
    if (acknowledged === undefined || !acknowledged.isResync) return undefined;
    const [event] = contentOf(acknowledged);
    for (const entry of this.unacknowledged.values()) {
      if (entry.position >= acknowledged.position) return undefined;
      if (contentOf(entry)[0] === event) return entry;
    }
    return undefined;
  }

  #claim(namespace: string): Acked {
    const open = [...this.unacknowledged.values()].flatMap((entry) =>
      entry.namespace === namespace ? entry.position : [],
    );
    const [first] = open;
    if (first === undefined) return { upTo: this.#position, holes: [] };
    const upTo = Math.max(first - 1, this.#highest[namespace] ?? 0);
    return { upTo, holes: open.filter((position) => position < upTo) };
  }

  #readOn(): void {
    const isStalled = this.unacknowledged.size >= UNACKNOWLEDGED_MAX;
    if (this.#isClosed || this.#phase !== 'live' || !this.#hasUnread || isStalled) return;
    this.#phase = 'reading';
    this.#read().then(
      () => {
        this.#phase = 'live';
        this.#readOn();
      },
      (error: unknown) => {
        this.#dependencies.failed(error);
        this.#dependencies.after(RETRY_MS, () => {
          this.#phase = 'live';
          this.#readOn();
        });
      },
    );
  }

  /** Sends what the log has, until nothing is left or the client has to acknowledge something first. */
  async #read(): Promise<void> {
    while (!this.#isClosed && this.unacknowledged.size < UNACKNOWLEDGED_MAX) {
      // What is known to exist when the read begins is found by it, or is not for this socket.
      const last = this.#last;
      const { entries, isLast } = await this.#fetch();
      for (const entry of entries) {
        if (this.#isClosed || this.unacknowledged.size >= UNACKNOWLEDGED_MAX) return;
        if (entry.position <= this.#position) continue;
        this.#position = entry.position;
        if (this.#isPending(entry)) this.#send(entry);
      }
      if (isLast) this.#position = Math.max(this.#position, last);
      if (!this.#hasUnread) return;
    }
  }

  async #fetch() {
    const { recipient, deviceId } = this.device;
    const query = { recipient, deviceId, namespaces: this.#namespaces, after: this.#position, limit: BATCH_MAX };
    const chunk = await this.#dependencies.log.read(query);
    this.#last = Math.max(this.#last, chunk.entries.at(-1)?.position ?? 0);
    this.#isTruncated = !chunk.isLast;
    return chunk;
  }

  /** Whether an entry is still to be sent. */
  #isPending(entry: Entry): boolean {
    const cursor = this.#cursor;
    if (cursor === undefined || isAcked(cursor.acked, cursor.start, entry)) return false;
    if (entry.expireAt === null || entry.expireAt > this.#dependencies.now()) return true;
    this.#dependencies.expired(this, entry);
    return false;
  }

  /** As many of the entries as one batch may hold, at least one; moves the position past them. */
  #takeBatch(entries: readonly Entry[]): readonly Entry[] {
    const batch: Entry[] = [];
    let bytes = 0;
    for (const entry of entries) {
      if (this.#isPending(entry)) {
        bytes += Buffer.byteLength(entry.body);
        if (batch.length > 0 && bytes > BATCH_MAX_BYTES) break;
        batch.push(entry);
      }
      this.#position = entry.position;
    }
    return batch;
  }

  #send(entry: Entry): void {
    this.#note(entry);
    const [event, ...args] = contentOf(entry);
    this.socket.emit(event, ...args, () => this.#dependencies.acknowledge(this, [entry]));
  }

  #note(entry: Entry): void {
    this.unacknowledged.set(entry.position, entry);
    if (this.#cursor !== undefined) this.#dependencies.sent(this.#cursor, entry);
  }

  /** Resolves with the acknowledgement; never, when there is none. */
  #sendBatch(batch: readonly Entry[]): Promise<void> {
    for (const entry of batch) this.#note(entry);
    return new Promise((resolve) => {
      this.socket.emit('_batch', batch.map(contentOf), () => {
        this.#dependencies.acknowledge(this, batch);
        resolve();
      });
    });
  }
}

/** How many of the first elements fulfil a condition. */
function lengthWhile<T>(items: readonly T[], condition: (item: T) => boolean): number {
  const index = items.findIndex((item) => !condition(item));
  return index === -1 ? items.length : index;
}
