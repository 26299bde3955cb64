import type { Entry } from './entry.js';
import type { Log, LogChunk, LogQuery } from './log.js';

/** Messages of one read, and of one `_batch`. */
export const READ_MAX = 500;
/** The database replies with up to 16 MB to a read, so a read asks for fewer messages where they are large. */
const READ_CHARACTERS = 2 ** 19;

/** Reads the log of a recipient on behalf of one socket, and knows whether there is more to read. */
export class LogReader {
  readonly #log: Log;
  readonly #query: Pick<LogQuery, 'recipient' | 'deviceId' | 'namespaces'>;
  #position = 0;
  /** The highest position that is known to exist. */
  #last = 0;
  /** The last read did not reach the end of the log, so there may be more than `#last` says. */
  #isTruncated = false;
  /** As many messages as one read asks for, by the size of those that were read last. */
  #limit = READ_MAX;

  constructor(log: Log, query: Pick<LogQuery, 'recipient' | 'deviceId' | 'namespaces'>) {
    this.#log = log;
    this.#query = query;
  }

  /** Everything up to here was taken, or is not for the socket. */
  get position(): number {
    return this.#position;
  }

  /** Positions that are known to exist and were not taken. */
  get ahead(): number {
    return this.#last - this.#position;
  }

  get hasMore(): boolean {
    return this.#isTruncated || this.#last > this.#position;
  }

  /** Takes everything up to a position. */
  moveTo(position: number): void {
    this.#position = Math.max(this.#position, position);
    this.#last = Math.max(this.#last, position);
  }

  /** An entry exists at a position. */
  notice(position: number): void {
    this.#last = Math.max(this.#last, position);
  }

  /** Takes a chunk that was read from the position on behalf of the socket. */
  accept({ entries, isLast }: LogChunk): void {
    this.notice(entries.at(-1)?.position ?? 0);
    this.#isTruncated = !isLast;
    if (entries.length > 0) this.#limit = limitFor(entries);
  }

  /** The next entries. Those that exist by now and are not among them, nor above them, are not for the socket. */
  async read(): Promise<LogChunk & { readonly end: number }> {
    const end = this.#last;
    const chunk = await this.#log.read({ ...this.#query, after: this.#position, limit: this.#limit });
    this.accept(chunk);
    return { ...chunk, end };
  }
}

/** How many messages of the same sizes one read takes. */
function limitFor(entries: readonly Entry[]): number {
  const characters = entries.reduce((sum, { body }) => sum + body.length, 0);
  return Math.min(READ_MAX, Math.ceil((READ_CHARACTERS * entries.length) / characters));
}
