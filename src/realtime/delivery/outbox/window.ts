import type { Acked, AckedByNamespace } from '../storage/acked.js';
import type { SentEntry } from '../storage/entry.js';

/** Messages that a client may leave unacknowledged. The rest waits in the database. */
export const WINDOW_MAX = 500;
/** From so many characters on, too: a client that reads slowly is not sent more than is buffered for it. */
export const WINDOW_MAX_CHARACTERS = 2 ** 19;

/** What was sent over a socket and is not acknowledged. */
export class SendWindow {
  /** By position, rising. */
  readonly #entries = new Map<number, SentEntry>();
  #characters = 0;
  /** By namespace: the highest position that was acknowledged here. */
  readonly #highest: Record<string, number> = {};
  readonly #namespaces: readonly string[];

  constructor(namespaces: readonly string[]) {
    this.#namespaces = namespaces;
  }

  get size(): number {
    return this.#entries.size;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  get isFull(): boolean {
    return this.#entries.size >= WINDOW_MAX || this.#characters >= WINDOW_MAX_CHARACTERS;
  }

  /** Enough was acknowledged to read on. */
  get hasRoom(): boolean {
    return this.#entries.size <= WINDOW_MAX / 2 && this.#characters <= WINDOW_MAX_CHARACTERS / 2;
  }

  add(entry: SentEntry): void {
    this.#entries.set(entry.position, entry);
    this.#characters += entry.characters;
  }

  /** @returns whether the entry was in the window */
  acknowledge({ position, namespace }: SentEntry): boolean {
    if (!this.#remove(position)) return false;
    this.#highest[namespace] = Math.max(position, this.#highest[namespace] ?? 0);
    return true;
  }

  /** Nothing up to a position is waited for any more. What was sent above it still is. */
  clearThrough(position: number): void {
    for (const sent of this.#entries.keys()) if (sent <= position) this.#remove(sent);
  }

  /** What the client has acknowledged. @param sentUpTo everything up to this position was sent, or is not for the socket */
  acked(sentUpTo: number): AckedByNamespace {
    if (this.isEmpty) {
      const all: Acked = { upTo: sentUpTo, holes: [] };
      return Object.fromEntries(this.#namespaces.map((namespace) => [namespace, all]));
    }
    return Object.fromEntries(this.#namespaces.map((namespace) => [namespace, this.#ackedOf(namespace, sentUpTo)]));
  }

  /**
   * An acknowledgement of a message with `isResync` that overtakes an earlier message of the same event calls for a new start.
   * @returns the oldest message that was overtaken
   */
  overtakenBy({ isResync, position, event }: SentEntry): SentEntry | undefined {
    if (!isResync) return undefined;
    for (const entry of this.#entries.values()) {
      if (entry.position >= position) return undefined;
      if (entry.event === event) return entry;
    }
    return undefined;
  }

  #remove(position: number): boolean {
    this.#characters -= this.#entries.get(position)?.characters ?? 0;
    return this.#entries.delete(position);
  }

  #ackedOf(namespace: string, sentUpTo: number): Acked {
    const open: number[] = [];
    for (const entry of this.#entries.values()) if (entry.namespace === namespace) open.push(entry.position);
    const [first] = open;
    if (first === undefined) return { upTo: sentUpTo, holes: [] };
    const upTo = Math.max(first - 1, this.#highest[namespace] ?? 0);
    return { upTo, holes: open.filter((position) => position < upTo) };
  }
}
