import type { Clock } from '../../../platform/time/clock.js';
import type { GatewaySocket } from '../../../sockets/socket.js';
import type { Cursor } from '../devices/cursor.js';
import { EVERYWHERE, isHeardOn } from '../message.js';
import { type AckedByNamespace, isAcked } from '../storage/acked.js';
import type { Entry, SentEntry } from '../storage/entry.js';
import type { Log, LogChunk } from '../storage/log.js';
import { LogReader } from '../storage/log-reader.js';
import type { Device } from '../storage/mailboxes.js';
import { Batches } from './batches.js';
import { SendWindow } from './window.js';

/** When a failed read is repeated. */
const RETRY_MS = 2000;

/** Is notified of what happens in an outbox. */
export interface OutboxListener {
  /** The client has acknowledged entries. */
  acknowledged(outbox: Outbox, entries: readonly SentEntry[]): void;
  /** An entry is sent. */
  sent(cursor: Cursor, entry: SentEntry): void;
  /** An entry can no longer be sent, or never could. */
  expired(cursor: Cursor, entry: SentEntry, expiry: Unsendable): void;
  /** The client was sent `_resync`. */
  resynced(): void;
  /** The log could not be read. */
  readFailed(error: unknown): void;
}

/** Why an entry is not sent. */
export interface Unsendable {
  readonly reason: 'ttl' | 'unreadable';
  /** The client was notified that it lost messages. */
  readonly isTold: boolean;
}

/** What an {@link Outbox} needs. */
export interface OutboxDependencies {
  readonly log: Log;
  readonly clock: Clock;
  readonly listener: OutboxListener;
}

/** Where an outbox begins. */
export interface Beginning {
  readonly cursor: Cursor;
  /** Everything up to here was sent before. */
  readonly position: number;
  /** The highest position that is known to exist. */
  readonly last: number;
}

/** What {@link Outbox.catchUp} sends. */
export interface CatchingUp {
  /** The first entries from the position on; absent: they are to be read. */
  readonly first?: LogChunk | undefined;
  /** Whether an entry was stored before the socket connected. */
  isOld(entry: Entry): boolean;
}

type Phase = 'opening' | 'catching up' | 'live' | 'reading';

/**
 * Sends the messages of a log over one socket, in order of positions. It is in one of four phases:
 *
 * - **opening**: it is not known yet where the device stands. Nothing is sent.
 * - **catching up**: what was stored before the socket connected is sent as `_batch`, each after the acknowledgement of the
 *   one before. New entries are left to the log.
 * - **live**: an entry at the next position is sent at once, with an acknowledgement of its own.
 * - **reading**: an entry is missing, or the window was full. The log is read until its end, then the outbox is live again.
 *
 * Position n + 1 is only stored once n is, so a read that finds an entry finds everything before it.
 */
export class Outbox {
  readonly socket: GatewaySocket;
  readonly device: Device;
  readonly #dependencies: OutboxDependencies;
  readonly #reader: LogReader;
  readonly #window: SendWindow;
  #cursor: Cursor | undefined;
  #phase: Phase = 'opening';
  #isClosed = false;
  #toldRevision: number | undefined;

  constructor(socket: GatewaySocket, device: Device, dependencies: OutboxDependencies) {
    this.socket = socket;
    this.device = device;
    this.#dependencies = dependencies;
    const namespaces = [socket.nsp.name, EVERYWHERE];
    this.#reader = new LogReader(dependencies.log, { ...device, namespaces });
    this.#window = new SendWindow(namespaces);
  }

  /** Everything up to here was sent, or is not for this socket. */
  get position(): number {
    return this.#reader.position;
  }

  /** Nothing is under way: another outbox that begins at this position would do the same. */
  get isIdle(): boolean {
    return this.#phase === 'live' && !this.#reader.hasMore && this.#window.isEmpty;
  }

  /** Messages that the client has not acknowledged, and positions that are still to be sent. */
  get waiting(): number {
    return this.#window.size + this.#reader.ahead;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The revision of the device at which the client was notified that it lost messages; `undefined`: it was not. */
  get toldRevision(): number | undefined {
    return this.#toldRevision;
  }

  /** Of the device; `undefined` while the outbox is opening. */
  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  /** What the client has acknowledged, as far as this outbox knows. */
  get acked(): AckedByNamespace {
    return this.#window.acked(this.position);
  }

  /** Begins live. */
  resume({ cursor, position, last }: Beginning): void {
    this.#cursor = cursor;
    this.#reader.moveTo(position);
    this.#reader.notice(last);
    this.#phase = 'live';
    this.#readOn();
  }

  /** Begins with batches, then goes live. */
  catchUp(beginning: Beginning, { isOld, first }: CatchingUp): Promise<void> {
    this.#phase = 'catching up';
    this.#cursor = beginning.cursor;
    this.#reader.moveTo(beginning.position);
    if (first !== undefined) this.#reader.accept(first);
    const batches = new Batches({
      socket: this.socket,
      reader: this.#reader,
      isClosed: () => this.#isClosed,
      isOld,
      isPending: (entry) => this.#isPending(entry),
      onSend: (entry) => this.#markSent(entry),
      onAcknowledged: (entries) => this.#dependencies.listener.acknowledged(this, entries),
    });
    return batches.send(first).then(() => {
      if (!this.#isClosed) this.resume(beginning);
    });
  }

  /** An entry was stored. */
  offer(entry: Entry): void {
    const isNext = this.#phase === 'live' && entry.position === this.position + 1;
    if (isNext && !this.#isClosed && !this.#window.isFull) {
      this.#reader.moveTo(entry.position);
      if (isHeardOn(this.socket.nsp.name, entry.namespace)) this.#send(entry);
    }
    this.notice(entry.position);
  }

  /** An entry exists at a position. */
  notice(position: number): void {
    this.#reader.notice(position);
    this.#readOn();
  }

  /** An entry was acknowledged, here or on another socket of the device. */
  settle(entry: SentEntry): void {
    if (this.#window.acknowledge(entry) && this.#window.hasRoom) this.#readOn();
  }

  /** The oldest message that an acknowledgement has overtaken although it must not, see {@link SendWindow.overtakenBy}. */
  overtakenBy(entry: SentEntry): SentEntry | undefined {
    return this.#window.overtakenBy(entry);
  }

  /** The client has lost messages. @param revision of its device, as it is stored */
  sendResync(revision: number): void {
    this.#toldRevision = revision;
    this.socket.emit('_resync');
    this.#dependencies.listener.resynced();
  }

  /** Nothing up to a position is to be sent, or acknowledged, any more. */
  skipTo(position: number): void {
    this.#window.clearThrough(position);
    this.#reader.moveTo(position);
    this.#readOn();
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Reads the log unless there is nothing to read, or a reason to wait. */
  #readOn(): void {
    if (this.#isClosed || this.#phase !== 'live' || !this.#reader.hasMore || this.#window.isFull) return;
    this.#phase = 'reading';
    const goLive = (): void => {
      this.#phase = 'live';
      this.#readOn();
    };
    this.#sendFromLog().then(goLive, (error: unknown) => {
      this.#dependencies.listener.readFailed(error);
      this.#dependencies.clock.after(RETRY_MS, goLive);
    });
  }

  /** Sends what the log has, until its end or until the window is full. */
  async #sendFromLog(): Promise<void> {
    while (!this.#isClosed && !this.#window.isFull) {
      const { entries, isLast, end } = await this.#reader.read();
      for (const entry of entries) {
        if (this.#isClosed || this.#window.isFull) return;
        if (entry.position <= this.position) continue;
        this.#reader.moveTo(entry.position);
        if (this.#isPending(entry)) this.#send(entry);
      }
      if (isLast) this.#reader.moveTo(end);
      if (!this.#reader.hasMore) return;
    }
  }

  /** Whether an entry is still to be sent. */
  #isPending(entry: Entry): boolean {
    const cursor = this.#cursor;
    if (cursor === undefined || isAcked(cursor.acked, cursor.start, entry)) return false;
    const isExpired = entry.expireAt !== null && entry.expireAt <= this.#dependencies.clock.now();
    if (!isExpired && entry.isReadable) return true;
    // What was stored before the client connected is part of what it loads after `_resync`. Later messages are not.
    const isTold = this.#phase === 'catching up';
    if (isTold && this.#toldRevision === undefined) this.sendResync(cursor.revision ?? 0);
    this.#dependencies.listener.expired(cursor, entry.sent, { reason: isExpired ? 'ttl' : 'unreadable', isTold });
    return false;
  }

  #send(entry: Entry): void {
    const { sent } = entry;
    this.#markSent(sent);
    const acknowledge = (): void => this.#dependencies.listener.acknowledged(this, [sent]);
    const [event, ...args] = entry.content;
    if (this.socket.data.wantsDeliveryIds) this.socket.emit(event, ...args, { deliveryId: entry.id }, acknowledge);
    else this.socket.emit(event, ...args, acknowledge);
  }

  #markSent(entry: SentEntry): void {
    this.#window.add(entry);
    if (this.#cursor !== undefined) this.#dependencies.listener.sent(this.#cursor, entry);
  }
}
