import type { Clock } from '../../platform/time/clock.js';
import { CHUNK, type PresenceCommands, type Renewal } from './commands.js';

/** What {@link Lease.renew} found. */
export interface Renewed extends Renewal {
  /** Other nodes may have removed the sockets of this node since the last renewal, or Redis lost them. */
  readonly isOutage: boolean;
  /** Redis lost its data since the last renewal. */
  readonly isNewEpoch: boolean;
}

/**
 * The lease of this node in Redis. While it is not renewed, the sockets of this node do not count, and other nodes remove
 * them.
 *
 * After an outage the node is quiet for one lease: it claims no users whose grace time is over and removes no sockets of
 * dead nodes, because other nodes and clients are returning as well.
 */
export class Lease {
  readonly #commands: PresenceCommands;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  #last: Renewal | undefined;
  /** End of the lease that Redis confirmed last; by the clock, as below. */
  #endsAt = 0;
  #quietUntil = 0;
  /** Why the last renewal failed. */
  #failure: unknown;

  constructor({ commands, clock, leaseMs }: { commands: PresenceCommands; clock: Clock; leaseMs: number }) {
    this.#commands = commands;
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  /** No other node was alive at the last renewal. */
  get isAlone(): boolean {
    return this.#last?.others === 0;
  }

  /** @param generation of the writes of this node. @throws the error of Redis */
  async renew(generation: number): Promise<Renewed> {
    const known = this.#last;
    const askedAt = this.#clock.now();
    try {
      const options = { limit: this.quietMs() > 0 ? 0 : CHUNK, leasedSince: known?.leasedSince ?? '' };
      const renewal = await this.#commands.renew(generation, options);
      this.#last = renewal;
      this.#endsAt = askedAt + this.#leaseMs;
      this.#failure = undefined;
      return this.#compare(known, renewal);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  beQuiet(): void {
    this.#quietUntil = this.#clock.now() + this.#leaseMs;
  }

  /** Milliseconds until the node is quiet no longer; 0 or less: it is not. */
  quietMs(): number {
    return this.#quietUntil - this.#clock.now();
  }

  /** Milliseconds since the lease was confirmed; `undefined`: it has not begun, or has ended. */
  ageMs(): number | undefined {
    if (this.#endsAt === 0) return undefined;
    return Math.max(0, this.#clock.now() - (this.#endsAt - this.#leaseMs));
  }

  /** @throws the error of the last renewal, or Error when the lease has expired */
  ensureRenewed(): void {
    if (this.#failure === undefined && this.#clock.now() < this.#endsAt) return;
    throw this.#failure ?? new Error('the presence lease of this node has expired');
  }

  end(): void {
    this.#endsAt = 0;
  }

  #compare(known: Renewal | undefined, renewal: Renewal): Renewed {
    const { wasAlive, others, deadNodes, epoch } = renewal;
    const isFirst = known === undefined;
    const isFirstAndAlone = isFirst && others === 0 && deadNodes.length === 0;
    if (!wasAlive && !isFirstAndAlone) this.beQuiet();
    const isOutage = !wasAlive && !isFirst;
    return { ...renewal, isOutage, isNewEpoch: isOutage && epoch !== known.epoch };
  }
}
