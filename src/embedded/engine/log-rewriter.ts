import type { LogStore } from '../store/log-store.js';
import { type Catalog, describeCollection } from './catalog.js';
import { ENTRY, encodeEntry } from './log-codec.js';
import type { SessionStore } from './sessions.js';

/** A smaller log is not rewritten. */
const MIN_BYTES = 32 * 1024 * 1024;
/** The log is rewritten when it exceeds the size of the data by this factor. */
const MIN_RATIO = 2.5;
/** The time between attempts, which can fail, for example on a full disk. */
const RETRY_MS = 10_000;
/** The time between attempts while writes are refused until one succeeds. */
const RECOVERY_RETRY_MS = 1000;
const DOCUMENTS_PER_FRAME = 200;

/** What the log is rewritten from. */
export interface RewriterOptions {
  readonly log: LogStore;
  readonly catalog: Catalog;
  readonly sessions: SessionStore;
}

/** Decides when to rewrite (compact) the log with the current data only. */
export class LogRewriter {
  readonly #options: RewriterOptions;
  /** By `performance.now()`: the system clock may be set back. */
  #lastAttempt = Number.NEGATIVE_INFINITY;

  constructor(options: RewriterOptions) {
    this.#options = options;
  }

  /** Rewrites the log. @returns whether it succeeded; on failure the old log stays in use */
  async rewrite(): Promise<boolean> {
    this.#lastAttempt = performance.now();
    return this.#options.log.compact(currentData(this.#options));
  }

  /** Rewrites the log if it has grown too large, or if only a rewrite can restore it. Called after every write. */
  rewriteIfNeeded(): void {
    const { log } = this.#options;
    if (log.isCompacting || !(log.needsRewrite || this.#isTooLarge())) return;
    if (performance.now() - this.#lastAttempt >= RETRY_MS) void this.rewrite();
  }

  /** Rewrites the log if a sync has failed. Called periodically. */
  recover(): void {
    const { log } = this.#options;
    if (!log.needsRewrite || log.isCompacting) return;
    if (performance.now() - this.#lastAttempt >= RECOVERY_RETRY_MS) void this.rewrite();
  }

  #isTooLarge(): boolean {
    const { log, catalog } = this.#options;
    if (log.size < MIN_BYTES) return false;
    let living = 0;
    for (const { dataBytes } of catalog.all()) living += dataBytes;
    return log.size >= living * MIN_RATIO;
  }
}

/** The payloads that reproduce the current state, generated lazily while writers continue. */
function* currentData({ catalog, sessions }: RewriterOptions): Iterable<readonly Uint8Array[]> {
  for (const collection of [...catalog.all()]) {
    yield [encodeEntry(ENTRY.collection, collection.id, describeCollection(collection))];
    let payload: Uint8Array[] = [];
    // The map can change during the iteration. Later changes are in frames that go to the new log as well.
    for (const { document } of collection.records.values()) {
      if (collection.isDropped) break;
      payload.push(encodeEntry(ENTRY.put, collection.id, document));
      if (payload.length < DOCUMENTS_PER_FRAME) continue;
      yield payload;
      payload = [];
    }
    if (payload.length > 0) yield payload;
  }
  for (const document of sessions.describe()) yield [encodeEntry(ENTRY.session, 0, document)];
}
