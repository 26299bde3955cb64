import type { LogStore } from '../store/log-store.js';
import { type Catalog, describeCollection } from './catalog.js';
import { ENTRY, encodeEntry } from './log-codec.js';
import type { SessionStore } from './sessions.js';

/** Below this the log is not worth rewriting. */
const MIN_BYTES = 32 * 1024 * 1024;
/** How much larger than the living data the log is when it is. */
const MIN_RATIO = 2.5;
/** Between attempts when rewriting fails, for want of room for instance. */
const RETRY_MS = 10_000;
/** The same while no write can be taken before it has succeeded. */
const RECOVERY_RETRY_MS = 1000;
const DOCUMENTS_PER_FRAME = 200;

/** What a log is written anew from. */
export interface RewriterOptions {
  readonly log: LogStore;
  readonly catalog: Catalog;
  readonly sessions: SessionStore;
}

/** Decides when the log is written anew, with the living data only. */
export class LogRewriter {
  readonly #options: RewriterOptions;
  #lastAttempt = 0;

  constructor(options: RewriterOptions) {
    this.#options = options;
  }

  /** @returns whether it succeeded; on a failure the old log stays in use */
  async rewrite(): Promise<boolean> {
    this.#lastAttempt = Date.now();
    return this.#options.log.compact(livingData(this.#options));
  }

  /** Called after every write. */
  rewriteWhenWorthIt(): void {
    const { log } = this.#options;
    if (log.isCompacting || !(log.needsRewrite || this.#isWorthIt())) return;
    if (Date.now() - this.#lastAttempt >= RETRY_MS) void this.rewrite();
  }

  /** Called while the log may be one that cannot be trusted: only rewriting it brings it back. */
  recover(): void {
    const { log } = this.#options;
    if (!log.needsRewrite || log.isCompacting) return;
    if (Date.now() - this.#lastAttempt >= RECOVERY_RETRY_MS) void this.rewrite();
  }

  #isWorthIt(): boolean {
    const { log, catalog } = this.#options;
    if (log.size < MIN_BYTES) return false;
    let living = 0;
    for (const { dataBytes } of catalog.all()) living += dataBytes;
    return log.size >= living * MIN_RATIO;
  }
}

/** The frames that make the present state, made as they are asked for, while writers go on. */
function* livingData({ catalog, sessions }: RewriterOptions): Iterable<readonly Uint8Array[]> {
  for (const collection of [...catalog.all()]) {
    yield [encodeEntry(ENTRY.collection, collection.id, describeCollection(collection))];
    let payload: Uint8Array[] = [];
    // A Map may change while it is walked: later puts and removes are in the frames written meanwhile.
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
