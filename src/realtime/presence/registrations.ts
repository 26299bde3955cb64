import { createBatcher } from '../../platform/concurrency/batcher.js';
import { chunksOf } from '../../platform/lists.js';
import type { Clock } from '../../platform/time/clock.js';
import { CHUNK, type Changed, type PresenceCommands, type SocketChange, type SocketOfUser } from './commands.js';
import type { Added, ChangedUser, PresenceEntry } from './index.js';
import type { PendingOffline } from './pending-offline.js';

/** Changes that are written together, in commands of {@link CHUNK} that do not wait for each other. */
const BATCH_MAX = 20 * CHUNK;

/** What {@link Registrations} needs. */
export interface RegistrationOptions {
  readonly commands: PresenceCommands;
  readonly pendingOffline: PendingOffline;
  readonly clock: Clock;
  readonly graceMs: number;
  readonly leaseMs: number;
  /** Requests a tick. */
  wakeUp(): void;
  /** A grace time ends in `afterMs`. */
  expectDue(afterMs: number): void;
}

/** What {@link Registrations.synchronize} has done. */
export interface Synchronized {
  /** Sockets that were registered after {@link Registrations.invalidate}. */
  readonly restored: readonly PresenceEntry[];
  /** Users who came online, or may have, and were not reported so. */
  readonly online: readonly ChangedUser[];
}

/**
 * The sockets of this node, and what Redis knows of them. This memory is the truth; failed writes are repeated by
 * {@link Registrations.synchronize}.
 *
 * Writes carry a generation. After a failure a write may still be executed, before or after the next one; a new generation
 * makes such a late write harmless.
 */
export class Registrations {
  readonly #options: RegistrationOptions;
  readonly #sockets = new Map<string, PresenceEntry>();
  /** Sockets that Redis may not know. */
  readonly #unregistered = new Set<string>();
  /** Sockets of which it is not known whether they are the first of their user: an answer was lost. */
  readonly #unreported = new Set<string>();
  /** Sockets to report as restored after their registration. */
  readonly #lapsed = new Set<string>();
  /** Registrations in flight: the removal of a socket must not overtake its registration. */
  readonly #registering = new Map<string, Promise<unknown>>();
  /** The changes of one event loop iteration, and those that arrive while Redis answers, are one command: a storm takes few. */
  readonly #batch = createBatcher<SocketChange, Changed | undefined>((changes) => this.#writeAll(changes), BATCH_MAX);
  #lastWrite: Promise<unknown> | undefined;
  #generation = 0;
  #hasMissedRemovals = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  get generation(): number {
    return this.#generation;
  }

  noteFailure(): void {
    this.#generation += 1;
  }

  /** Whether this node has a socket. */
  hasSockets(): boolean {
    return this.#sockets.size > 0;
  }

  /** Resolves when Redis has answered all changes that were made until now, or failed to. */
  async written(): Promise<void> {
    await this.#lastWrite;
  }

  /** Never rejects; a failed registration is repeated. */
  async add(entry: PresenceEntry): Promise<Added> {
    this.#sockets.set(entry.socketId, entry);
    const registered = await this.#register(entry);
    return registered?.isEdge === true ? { isFirst: true, at: registered.at } : { isFirst: false };
  }

  /** Never rejects; a failed removal is repeated. */
  async remove(socketId: string): Promise<{ isLast: boolean }> {
    const entry = this.#sockets.get(socketId);
    if (entry === undefined) return { isLast: false };
    this.#sockets.delete(socketId);
    const { pendingOffline, clock, graceMs, leaseMs, wakeUp, expectDue } = this.#options;
    await this.#registering.get(socketId);
    const wasUnregistered = this.#unregistered.delete(socketId);
    const wasReported = !this.#unreported.delete(socketId);
    this.#lapsed.delete(socketId);
    const removed = await this.#write({ kind: 'remove', socket: entry });
    if (removed === undefined) {
      this.#hasMissedRemovals = true;
      pendingOffline.add(entry, { until: Number.POSITIVE_INFINITY, wasReported });
      wakeUp();
    } else if (removed.isEdge) {
      pendingOffline.add(entry, { until: clock.now() + graceMs + leaseMs, wasReported });
      expectDue(graceMs);
    } else if (wasUnregistered) {
      // Redis may have lost the socket, and with it the user.
      pendingOffline.add(entry, { until: Number.POSITIVE_INFINITY, wasReported });
    } else {
      // Redis may lose the user's other sockets too, which are of a killed node if none registers them again.
      pendingOffline.add(entry, { until: clock.now() + graceMs + 2 * leaseMs, wasReported });
    }
    return { isLast: removed?.isEdge === true };
  }

  /** Redis may have lost every socket of this node, and kept sockets that left. */
  invalidate(): void {
    this.#hasMissedRemovals = true;
    for (const socketId of this.#sockets.keys()) {
      this.#unregistered.add(socketId);
      this.#lapsed.add(socketId);
    }
  }

  /** Removes sockets that left from Redis, then registers missing ones. */
  async synchronize(): Promise<Synchronized> {
    if (this.#hasMissedRemovals) await this.#removeDeparted();
    const online = await this.#registerMissing();
    const restored: PresenceEntry[] = [];
    for (const socketId of this.#lapsed) {
      const entry = this.#sockets.get(socketId);
      if (entry === undefined || this.#unregistered.has(socketId)) continue;
      this.#lapsed.delete(socketId);
      restored.push(entry);
    }
    return { restored, online };
  }

  clear(): void {
    this.#sockets.clear();
    this.#unregistered.clear();
    this.#unreported.clear();
  }

  /** @returns `undefined` when it failed */
  #register(entry: PresenceEntry): Promise<Changed | undefined> {
    const { socketId } = entry;
    this.#unregistered.add(socketId);
    const registration = this.#tryRegister(entry).finally(() => {
      if (this.#registering.get(socketId) === registration) this.#registering.delete(socketId);
    });
    this.#registering.set(socketId, registration);
    return registration;
  }

  async #tryRegister(entry: PresenceEntry): Promise<Changed | undefined> {
    const added = await this.#write({ kind: 'add', socket: entry });
    // A removal waits for this, and deletes the entry of these sets.
    if (added === undefined) this.#unreported.add(entry.socketId);
    else this.#unregistered.delete(entry.socketId);
    return added;
  }

  /** @returns `undefined` when Redis has another generation of this node, or may not have executed the change */
  #write(change: SocketChange): Promise<Changed | undefined> {
    const written = this.#batch(change);
    this.#lastWrite = written;
    return written;
  }

  /** Sends all chunks at once: in a storm an event loop iteration is long, and one command in each would fall behind. */
  async #writeAll(changes: readonly SocketChange[]): Promise<(Changed | undefined)[]> {
    const written = Array.from(chunksOf(changes, CHUNK), (chunk) => this.#writeChunk(chunk));
    return (await Promise.all(written)).flat();
  }

  async #writeChunk(changes: readonly SocketChange[]): Promise<(Changed | undefined)[]> {
    try {
      const results = await this.#options.commands.change(changes, this.#generation);
      if (results === undefined) this.#options.wakeUp();
      return results ?? changes.map(() => undefined);
    } catch {
      // Before any further command, which would otherwise have the generation of the one that may still be executed.
      this.noteFailure();
      return changes.map(() => undefined);
    }
  }

  /** @returns users whose coming online may not have been reported */
  async #registerMissing(): Promise<ChangedUser[]> {
    const waiting = [...this.#unregistered].filter((socketId) => !this.#registering.has(socketId));
    const online: ChangedUser[] = [];
    for (const chunk of chunksOf(waiting, CHUNK)) {
      const entries = chunk.flatMap((socketId) => this.#sockets.get(socketId) ?? []);
      const added = await Promise.all(entries.map((entry) => this.#register(entry)));
      for (const [index, entry] of entries.entries()) {
        const { socketId, userId, accountId } = entry;
        const registered = added[index];
        if (registered === undefined || this.#unregistered.has(socketId) || !this.#sockets.has(socketId)) continue;
        const isUnreported = this.#unreported.delete(socketId);
        if (isUnreported || registered.isEdge) online.push({ userId, accountId, at: registered.at });
      }
    }
    return online;
  }

  async #removeDeparted(): Promise<void> {
    const { commands } = this.#options;
    // Cleared first: a removal that fails during the scan sets it again.
    this.#hasMissedRemovals = false;
    try {
      for await (const page of commands.registered()) {
        const departed = page.filter(({ socketId }) => !this.#sockets.has(socketId));
        await Promise.all(departed.map((socket) => this.#removeLate(socket)));
      }
    } catch (error) {
      this.#hasMissedRemovals = true;
      throw error;
    }
  }

  /** @throws Error when it is not known to be removed */
  async #removeLate(socket: SocketOfUser): Promise<void> {
    const accountId = this.#options.pendingOffline.accountOf(socket.userId);
    const removed = await this.#write({ kind: 'remove', socket: { ...socket, accountId } });
    if (removed === undefined) throw new Error('the removal of a socket is not confirmed');
  }
}
