import { type BoundedMap, createBoundedMap } from '../../../platform/bounded-map.js';
import type { Logger } from '../../../platform/logging/logger.js';
import type { Clock } from '../../../platform/time/clock.js';
import type { KeyedRecipient, Recipient } from '../message.js';

/** A recipient gets a leader when two collisions are no further apart. Fewer cost less than to send its messages to a leader. */
const COLLIDING_MS = 50;
/** Recipients whose collisions and leader are remembered, and nodes that did not respond. */
const RECIPIENTS_MAX = 20_000;
const SILENT_MAX = 100;
/** How long the messages of a recipient are sent to its leader after the last collision. */
const LEADING_MS = 5000;
/** How long a node that did not respond is no leader: it has died, or has an earlier version. */
const SILENT_MS = 60_000;

interface Dependencies {
  readonly nodeId: string;
  /** The nodes with sockets of a recipient, as far as that is known. Never rejects. */
  holdersOf(recipient: Recipient): Promise<readonly string[]>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
}

/**
 * Which other node stores the messages of a recipient. When several nodes store messages of one recipient at once, each insert
 * takes the position that another node was about to use, which has to read and to insert again. When that happens often, the nodes
 * agree on one: the lowest id of those with sockets of the recipient, which then need not send the messages to another node; without
 * sockets the lowest id of those that collide. It is a hint: the unique index of the log decides when a message is stored.
 */
export class Leaders {
  readonly #nodeId: string;
  readonly #holdersOf: Dependencies['holdersOf'];
  readonly #clock: Clock;
  readonly #logger: Pick<Logger, 'warn'>;
  readonly #known: BoundedMap<{ readonly node: string; readonly until: number }> = createBoundedMap(RECIPIENTS_MAX);
  /** When the messages of a recipient collided last. */
  readonly #collisions: BoundedMap<number> = createBoundedMap(RECIPIENTS_MAX);
  readonly #silent: BoundedMap<number> = createBoundedMap(SILENT_MAX);

  constructor({ nodeId, holdersOf, clock, logger }: Dependencies) {
    this.#nodeId = nodeId;
    this.#holdersOf = holdersOf;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Another node has taken a position that this one was about to use. Never rejects. */
  async noteTaken(recipient: KeyedRecipient, by: string): Promise<void> {
    const now = this.#clock.now();
    const lastAt = this.#collisions.get(recipient.key);
    this.#collisions.set(recipient.key, now);
    if (lastAt === undefined || now - lastAt > COLLIDING_MS) return;
    const holders = (await this.#holdersOf(recipient)).filter((holder) => !this.isSilent(holder));
    const candidates = holders.length > 0 ? holders : [by, this.#nodeId];
    const node = candidates.reduce((lowest, other) => (other < lowest ? other : lowest));
    if (node === this.#nodeId) this.#known.delete(recipient.key);
    else this.#known.set(recipient.key, { node, until: this.#clock.now() + LEADING_MS });
  }

  /** A node did not respond. @param messages how many it was sent */
  noteSilent(node: string, messages: number): void {
    this.#silent.set(node, this.#clock.now() + SILENT_MS);
    this.#logger.warn({ leader: node, messages }, 'delivery: a node did not respond; storing its messages here');
  }

  isSilent(node: string): boolean {
    return (this.#silent.get(node) ?? 0) > this.#clock.now();
  }

  /** @returns the node to send messages of the recipient to; `undefined`: this one stores them */
  of(recipient: string): string | undefined {
    const known = this.#known.get(recipient);
    const isLeader = known !== undefined && known.until > this.#clock.now() && !this.isSilent(known.node);
    return isLeader ? known.node : undefined;
  }

  /** The same for a message that was forwarded to this node. It goes on to lower ids only: nodes may disagree, and it must end. */
  ofForwarded(recipient: string): string | undefined {
    const node = this.of(recipient);
    return node !== undefined && node < this.#nodeId ? node : undefined;
  }
}
