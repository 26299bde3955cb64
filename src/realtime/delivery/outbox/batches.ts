import type { GatewaySocket } from '../../../sockets/socket.js';
import type { Entry, SentEntry } from '../storage/entry.js';
import type { LogChunk } from '../storage/log.js';
import type { LogReader } from '../storage/log-reader.js';

/** Bytes of one `_batch`. */
const BATCH_MAX_BYTES = 262_144;

interface Dependencies {
  readonly socket: GatewaySocket;
  readonly reader: LogReader;
  /** The socket is gone. */
  isClosed(): boolean;
  /** Whether an entry was stored before the socket connected. */
  isOld(entry: Entry): boolean;
  /** Whether an entry is still to be sent. */
  isPending(entry: Entry): boolean;
  /** An entry is about to be sent. */
  onSend(entry: SentEntry): void;
  onAcknowledged(entries: readonly SentEntry[]): void;
}

interface SentBatch {
  /** There are no further batches. */
  readonly isLast: boolean;
  /** Without one of the client it never resolves; absent: nothing was to be sent. */
  readonly acknowledgement?: Promise<void>;
}

/** Sends what was stored before a socket connected as `_batch`, each batch after the acknowledgement of the one before. */
export class Batches {
  readonly #dependencies: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Resolves when all batches are acknowledged, or the socket is gone.
   * @param first the entries that the reader has accepted already; absent: they are to be read
   */
  send(first: LogChunk | undefined): Promise<void> {
    // No async function has entries in its variables: they would be held until the client has acknowledged.
    return this.#sendAll(first && this.#sendNext(first));
  }

  async #sendAll(first: SentBatch | undefined): Promise<void> {
    const { reader, isClosed } = this.#dependencies;
    const readAndSend = (): Promise<SentBatch> => reader.read().then((chunk) => this.#sendNext(chunk));
    let batch = first ?? (await readAndSend());
    await batch.acknowledgement;
    while (!batch.isLast && !isClosed()) {
      batch = await readAndSend();
      await batch.acknowledgement;
    }
  }

  /** Sends as many entries as one batch may hold, at least one, up to the first that is not old. Moves the reader past them. */
  #sendNext({ entries, isLast }: LogChunk): SentBatch {
    const { reader, isClosed, isOld, isPending } = this.#dependencies;
    if (isClosed()) return { isLast: true };
    const batch: Entry[] = [];
    let bytes = 0;
    for (const entry of entries) {
      if (!isOld(entry)) return this.#emit(batch, true);
      if (isPending(entry)) {
        bytes += Buffer.byteLength(entry.body);
        if (batch.length > 0 && bytes > BATCH_MAX_BYTES) return this.#emit(batch, false);
        batch.push(entry);
      }
      reader.moveTo(entry.position);
    }
    return this.#emit(batch, isLast);
  }

  #emit(batch: readonly Entry[], isLast: boolean): SentBatch {
    if (batch.length === 0) return { isLast };
    const { socket, onSend } = this.#dependencies;
    const sent = batch.map((entry) => entry.sent);
    for (const entry of sent) onSend(entry);
    const { acknowledge, acknowledgement } = this.#toAcknowledge(sent);
    const contents = batch.map(({ content }) => content);
    const headers = { deliveryIds: sent.map(({ id }) => id) };
    if (socket.data.wantsDeliveryIds) socket.emit('_batch', contents, headers, acknowledge);
    else socket.emit('_batch', contents, acknowledge);
    return { isLast, acknowledgement };
  }

  #toAcknowledge(sent: readonly SentEntry[]) {
    let resolve = (): void => undefined;
    const acknowledgement = new Promise<void>((resolveIt) => {
      resolve = resolveIt;
    });
    const acknowledge = (): void => {
      this.#dependencies.onAcknowledged(sent);
      resolve();
    };
    return { acknowledge, acknowledgement };
  }
}
