import { decodeDocument, MAX_NESTING_DEPTH } from '../bson/decode.js';
import { type EncodeOptions, encodeDocument } from '../bson/encode.js';
import type { Document } from '../bson/values.js';

/**
 * The kinds of entries in the payload of a frame. An entry consists of:
 *
 *     kind (1 byte) · collection id (4 bytes) · BSON document
 *
 * An entry contains the new state, not the difference, so reading it twice is harmless.
 */
export const ENTRY = {
  /** The new state of a document. */
  put: 1,
  /** The `{ _id }` of a deleted document. */
  remove: 2,
  /** The new name, options and indexes of a collection. */
  collection: 3,
  /** The collection was dropped. */
  drop: 4,
  /** The results by which a session answers retries. */
  session: 5,
} as const;

/** The first byte of an entry. */
export type EntryKind = (typeof ENTRY)[keyof typeof ENTRY];

const HEADER_BYTES = 5;

/** A decoded entry. */
export interface Entry {
  readonly kind: EntryKind;
  readonly collectionId: number;
  readonly document: Document;
  /** The size of the document, in bytes. */
  readonly byteLength: number;
}

/** The nesting limit of stored documents that MongoDB documents. Messages, and documents stored earlier, can nest deeper. */
const MAX_STORED_DEPTH = 100;
const STORED: EncodeOptions = { headBytes: HEADER_BYTES, maxDepth: MAX_STORED_DEPTH };
/** The entry of a session contains results of writes, which contain whole documents. */
const MAX_ENTRY_DEPTH = 2 * MAX_NESTING_DEPTH;
const DESCRIBING: EncodeOptions = { headBytes: HEADER_BYTES, maxDepth: MAX_ENTRY_DEPTH };

/** Encodes an entry. @throws DatabaseError BSONObjectTooLarge or Overflow when the document cannot be stored */
export function encodeEntry(kind: EntryKind, collectionId: number, document: Document): Buffer {
  const entry = encodeDocument(document, kind === ENTRY.put ? STORED : DESCRIBING);
  entry[0] = kind;
  entry.writeUInt32LE(collectionId, 1);
  return entry;
}

/** The size of the document in an encoded entry, in bytes. */
export const documentBytesOf = (entry: Buffer): number => entry.length - HEADER_BYTES;

/** Decodes the entries of a payload. */
export function* decodeEntries(payload: Buffer): Iterable<Entry> {
  for (let position = 0; position < payload.length; ) {
    const byteLength = payload.readInt32LE(position + HEADER_BYTES);
    yield {
      kind: payload[position] as EntryKind,
      collectionId: payload.readUInt32LE(position + 1),
      document: decodeDocument(payload, position + HEADER_BYTES, MAX_ENTRY_DEPTH),
      byteLength,
    };
    position += HEADER_BYTES + byteLength;
  }
}
