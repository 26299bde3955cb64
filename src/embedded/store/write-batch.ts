import type { DatabaseError } from '../errors.js';

/** What one turn of the event loop changed: one write to the log, done or taken back as a whole. */
export class Batch {
  /** Settles when it is known whether the batch was written. */
  readonly written: Promise<void>;
  readonly #frames: Buffer[] = [];
  readonly #undo: (() => void)[] = [];
  #resolve = (): void => {};
  #reject = (_error: DatabaseError): void => {};

  constructor() {
    this.written = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A batch nobody waits for (an expiry, say) may fail too.
    this.written.catch(() => {});
  }

  add(frame: Buffer, undo: () => void): void {
    this.#frames.push(frame);
    this.#undo.push(undo);
  }

  toBytes(): Buffer {
    const [first] = this.#frames;
    return first && this.#frames.length === 1 ? first : Buffer.concat(this.#frames);
  }

  succeed(): void {
    this.#resolve();
  }

  /** Takes every change back, last first, and tells who waits. */
  fail(error: DatabaseError): void {
    for (const undo of this.#undo.reverse()) undo();
    this.#reject(error);
  }
}
