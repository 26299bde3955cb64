import type { Clock } from '../../platform/clock.js';
import { CHUNK, type PresenceCommands, type SocketOfUser } from './commands.js';
import type { Added, ChangedUser, PresenceEntry } from './index.js';
import type { PendingOffline } from './pending-offline.js';

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

/** The answer to a registration; `undefined`: it failed. */
type Registered = Awaited<ReturnType<PresenceCommands['add']>>;

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

  /** Never rejects; a failed registration is repeated. */
  async add(entry: PresenceEntry): Promise<Added> {
    this.#sockets.set(entry.socketId, entry);
    const registered = await this.#register(entry);
    return registered?.isFirst === true ? { isFirst: true, at: registered.at } : { isFirst: false };
  }

  /** Never rejects; a failed removal is repeated. */
  async remove(socketId: string): Promise<{ isLast: boolean }> {
    const entry = this.#sockets.get(socketId);
    if (entry === undefined) return { isLast: false };
    this.#sockets.delete(socketId);
    const { commands, pendingOffline, clock, graceMs, leaseMs, wakeUp, expectDue } = this.#options;
    await this.#registering.get(socketId);
    this.#unregistered.delete(socketId);
    const wasReported = !this.#unreported.delete(socketId);
    this.#lapsed.delete(socketId);
    try {
      const removed = await commands.remove(entry, this.#generation);
      if (removed.isLast) {
        pendingOffline.add(entry, { until: clock.now() + graceMs + leaseMs, wasReported });
        expectDue(graceMs);
      }
      return removed;
    } catch {
      this.noteFailure();
      this.#hasMissedRemovals = true;
      pendingOffline.add(entry, { until: Number.POSITIVE_INFINITY, wasReported });
      wakeUp();
      return { isLast: false };
    }
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

  #register(entry: PresenceEntry): Promise<Registered> {
    const { socketId } = entry;
    this.#unregistered.add(socketId);
    const registration = this.#tryRegister(entry).finally(() => {
      if (this.#registering.get(socketId) === registration) this.#registering.delete(socketId);
    });
    this.#registering.set(socketId, registration);
    return registration;
  }

  async #tryRegister(entry: PresenceEntry): Promise<Registered> {
    try {
      const added = await this.#options.commands.add(entry, this.#generation);
      if (added !== undefined) {
        this.#unregistered.delete(entry.socketId);
        return added;
      }
      this.#options.wakeUp();
    } catch {
      this.noteFailure();
    }
    // A removal that waits for this takes it out.
    this.#unreported.add(entry.socketId);
    return undefined;
  }

  /** @returns users whose coming online may not have been reported */
  async #registerMissing(): Promise<ChangedUser[]> {
    const waiting = [...this.#unregistered].filter((socketId) => !this.#registering.has(socketId));
    const online: ChangedUser[] = [];
    for (let i = 0; i < waiting.length; i += CHUNK) {
      const entries = waiting.slice(i, i + CHUNK).flatMap((socketId) => this.#sockets.get(socketId) ?? []);
      const added = await Promise.all(entries.map((entry) => this.#register(entry)));
      for (const [index, entry] of entries.entries()) {
        const { socketId, userId, accountId } = entry;
        const registered = added[index];
        if (registered === undefined || this.#unregistered.has(socketId) || !this.#sockets.has(socketId)) continue;
        const isUnreported = this.#unreported.delete(socketId);
        if (isUnreported || registered.isFirst) online.push({ userId, accountId, at: registered.at });
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
        await Promise.all(departed.map((socket) => commands.remove(this.#toRemoval(socket), this.#generation)));
      }
    } catch (error) {
      this.#hasMissedRemovals = true;
      throw error;
    }
  }

  #toRemoval(socket: SocketOfUser) {
    return { ...socket, accountId: this.#options.pendingOffline.accountOf(socket.userId) };
  }
}
