import { Long } from 'bson';
import { byteLengthOf } from '../../bson/size.js';
import { type Document, isDocument } from '../../bson/values.js';
import type { Session } from '../../engine/sessions.js';
import { MAX_DOCUMENT_BYTES } from '../../engine/writer.js';
import { fail } from '../../errors.js';

/** A result that was not fetched completely. */
interface Cursor {
  readonly id: number;
  readonly namespace: string;
  readonly documents: readonly Document[];
  readonly toResult: (document: Document) => Document;
  readonly session: Session | undefined;
  readonly heldBytes: number;
  readonly isEndUnknown: () => boolean;
  position: number;
  /** By `performance.now()`. */
  usedAt: number;
}

/** The result for which a cursor is opened. */
export interface CursorRequest {
  readonly namespace: string;
  readonly documents: readonly Document[];
  /** Projects a document when it is returned. */
  readonly toResult?: (document: Document) => Document;
  /** The size of the first batch; undefined for the default of mongod. */
  readonly batchSize: number | undefined;
  readonly isSingleBatch?: boolean;
  readonly session: Session | undefined;
  /** Whether the documents are not stored ones, so that the cursor alone holds their memory. */
  readonly isOwner?: boolean;
  /** Whether MongoDB notices the end of the result only after the last document: a full batch then leaves the cursor open. */
  readonly isEndUnknown?: () => boolean;
}

const DEFAULT_FIRST_BATCH = 101;
const IDLE_TIMEOUT_MS = 10 * 60_000;
/** The most memory that all open cursors can hold. */
const MAX_HELD_BYTES = 512 * 1024 * 1024;
/** The memory for a reference to a stored document. */
const REFERENCE_BYTES = 16;
/** The most bytes of documents in a batch. */
const MAX_BATCH_BYTES = MAX_DOCUMENT_BYTES;

/** The open cursors. A cursor holds its result, so later writes do not affect it. */
export class CursorStore {
  readonly #cursors = new Map<number, Cursor>();
  #lastId = Math.floor(Math.random() * 2 ** 40);
  #heldBytes = 0;

  get size(): number {
    return this.#cursors.size;
  }

  /** The reply with the first batch, and with a cursor for the rest if there is one. */
  open({ namespace, documents, batchSize, session, ...rest }: CursorRequest): Document {
    const {
      toResult = (document) => document,
      isSingleBatch = false,
      isOwner = false,
      isEndUnknown = () => false,
    } = rest;
    const size = batchSize ?? DEFAULT_FIRST_BATCH;
    const { batch, position } = takeBatch(documents, { position: 0, size, toResult });
    let id = 0;
    if (!isSingleBatch && (position < documents.length || (batch.length === size && isEndUnknown()))) {
      const heldBytes = isOwner ? sizeOf(documents, position) : (documents.length - position) * REFERENCE_BYTES;
      id = this.#keep({ namespace, documents, toResult, session, heldBytes, isEndUnknown, position });
    }
    return { cursor: { firstBatch: batch, id: Long.fromNumber(id), ns: namespace }, ok: 1 };
  }

  /** The reply with the next batch. */
  next(
    id: number,
    { namespace, batchSize, session }: { namespace: string; batchSize: number; session: Session | undefined },
  ): Document {
    const cursor = this.#cursors.get(id) ?? fail('CursorNotFound', `cursor id ${id} not found`);
    if (cursor.namespace !== namespace) {
      fail(
        'Unauthorized',
        `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace ${cursor.namespace}`,
      );
    }
    if (cursor.session !== session && cursor.session) {
      fail('Location50738', `Cannot run getMore on cursor ${id}, which was created in another session`);
    }
    cursor.usedAt = performance.now();
    const size = batchSize > 0 ? batchSize : Number.POSITIVE_INFINITY;
    const { batch, position } = takeBatch(cursor.documents, {
      position: cursor.position,
      size,
      toResult: cursor.toResult,
    });
    cursor.position = position;
    const isDone = position >= cursor.documents.length && !(batch.length === size && cursor.isEndUnknown());
    if (isDone) this.kill(id);
    return { cursor: { nextBatch: batch, id: Long.fromNumber(isDone ? 0 : id), ns: namespace }, ok: 1 };
  }

  /** Closes a cursor. @returns whether it existed */
  kill(id: number): boolean {
    const cursor = this.#cursors.get(id);
    if (!cursor) return false;
    this.#cursors.delete(id);
    this.#heldBytes -= cursor.heldBytes;
    return true;
  }

  /** Closes the cursors of a session. */
  killOf(session: Session): void {
    for (const cursor of this.#cursors.values()) if (cursor.session === session) this.kill(cursor.id);
  }

  /** Closes the cursors on a collection that was dropped. */
  killOfNamespace(namespace: string): void {
    for (const cursor of this.#cursors.values()) if (cursor.namespace === namespace) this.kill(cursor.id);
  }

  /** Closes idle cursors. @param now by `performance.now()` */
  expire(now: number): void {
    for (const cursor of this.#cursors.values()) if (now - cursor.usedAt > IDLE_TIMEOUT_MS) this.kill(cursor.id);
  }

  #keep(cursor: Omit<Cursor, 'id' | 'usedAt'>): number {
    if (this.#heldBytes + cursor.heldBytes > MAX_HELD_BYTES) {
      fail(
        'ExceededMemoryLimit',
        `Open cursors can hold at most ${MAX_HELD_BYTES} bytes; fetch or close some, or request less`,
      );
    }
    this.#lastId += 1;
    const id = this.#lastId;
    this.#heldBytes += cursor.heldBytes;
    this.#cursors.set(id, { ...cursor, id, usedAt: performance.now() });
    return id;
  }
}

function sizeOf(documents: readonly Document[], from: number): number {
  let bytes = 0;
  for (let index = from; index < documents.length; index += 1) bytes += byteLengthOf(documents[index] as Document);
  return bytes;
}

function takeBatch(
  documents: readonly Document[],
  { position, size: most, toResult }: { position: number; size: number; toResult: (document: Document) => Document },
): { batch: Document[]; position: number } {
  const batch: Document[] = [];
  let bytes = 0;
  let next = position;
  while (next < documents.length && batch.length < most) {
    const result = toResult(documents[next] as Document);
    const size = roughSizeOf(result);
    // The estimate is an upper bound for large documents, so smaller ones need no exact check.
    if (size > MAX_DOCUMENT_BYTES) ensureSize(result);
    bytes += size;
    if (bytes > MAX_BATCH_BYTES && batch.length > 0) break;
    batch.push(result);
    next += 1;
  }
  return { batch, position: next };
}

function ensureSize(document: Document): void {
  const size = byteLengthOf(document);
  if (size > MAX_DOCUMENT_BYTES) {
    fail('BSONObjectTooLarge', `BSONObj size: ${size} is invalid. Size must be between 0 and 16793600(16MB)`);
  }
}

/** An upper bound of the size of a large document as BSON, computed without encoding it. */
function roughSizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length * 3 + 16;
  if (typeof value !== 'object' || value === null) return 24;
  if (Array.isArray(value)) return value.reduce((sum: number, element) => sum + roughSizeOf(element), 24);
  if (isDocument(value)) {
    let sum = 24;
    for (const key in value) sum += key.length + roughSizeOf(value[key]);
    return sum;
  }
  const { buffer } = value as { buffer?: unknown };
  return 32 + (buffer instanceof Uint8Array ? buffer.length : 0);
}
