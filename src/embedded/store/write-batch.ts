import type { DatabaseError } from '../errors.js';

/** The frames of one turn of the event loop. They are written at once, and undone together if that fails. */
export class Batch {
  /** Resolves when the batch was written, and rejects when it was undone. */
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
    // A batch without a waiting command, such as an expiry, can fail, too.
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

  /** Undoes all changes in reverse order, and rejects {@link written}. */
  fail(error: DatabaseError): void {
    for (const undo of this.#undo.reverse()) undo();
    this.#reject(error);
  }
}
