import { decodeDocument, MAX_NESTING_DEPTH } from '../bson/decode.js';
import { type EncodeOptions, encodeDocument } from '../bson/encode.js';
import type { Document } from '../bson/values.js';

/**
 * What a frame's payload is made of: entries of
 *
 *     kind (1) · collection id (4) · BSON document
 *
 * Every entry says how something now is, not how it changed, so that reading one twice does no harm.
 */
export const ENTRY = {
  /** The document as it now is. */
  put: 1,
  /** `{ _id }` of a document that is gone. */
  remove: 2,
  /** The collection's name, options and indexes as they now are. */
  collection: 3,
  /** The collection is gone. */
  drop: 4,
  /** What a session must remember to answer a retry. */
  session: 5,
} as const;

/** The first byte of an entry. */
export type EntryKind = (typeof ENTRY)[keyof typeof ENTRY];

const HEADER_BYTES = 5;

/** An entry that was read. */
export interface Entry {
  readonly kind: EntryKind;
  readonly collectionId: number;
  readonly document: Document;
  /** Bytes of the document. */
  readonly byteLength: number;
}

/** What a stored document may nest: the limit that MongoDB documents. Messages nest deeper, and so may older documents. */
const MAX_STORED_DEPTH = 100;
const STORED: EncodeOptions = { headBytes: HEADER_BYTES, maxDepth: MAX_STORED_DEPTH };
/** A session's entry holds the results of its writes, and these whole documents. */
const MAX_ENTRY_DEPTH = 2 * MAX_NESTING_DEPTH;
const DESCRIBING: EncodeOptions = { headBytes: HEADER_BYTES, maxDepth: MAX_ENTRY_DEPTH };

/** @throws DatabaseError BSONObjectTooLarge or Overflow for a document that must not be stored */
export function encodeEntry(kind: EntryKind, collectionId: number, document: Document): Buffer {
  const entry = encodeDocument(document, kind === ENTRY.put ? STORED : DESCRIBING);
  entry[0] = kind;
  entry.writeUInt32LE(collectionId, 1);
  return entry;
}

/** Bytes of the document in an entry. */
export const documentBytesOf = (entry: Buffer): number => entry.length - HEADER_BYTES;

/** Reads a payload back. */
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
