import { decodeDocument, encodeDocument } from '../bson/codec.js';
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

export type EntryKind = (typeof ENTRY)[keyof typeof ENTRY];

const HEADER_BYTES = 5;

export interface Entry {
  readonly kind: EntryKind;
  readonly collectionId: number;
  readonly document: Document;
  /** Bytes of the document. */
  readonly byteLength: number;
}

/** The parts of a payload that hold one entry. */
export const encodeEntry = (kind: EntryKind, collectionId: number, bytes: Uint8Array): readonly Uint8Array[] => {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header[0] = kind;
  header.writeUInt32LE(collectionId, 1);
  return [header, bytes];
};

export const encodeEntryOf = (kind: EntryKind, collectionId: number, document: Document): readonly Uint8Array[] =>
  encodeEntry(kind, collectionId, encodeDocument(document));

/** Reads a payload back. */
export const decodeEntries = function* (payload: Buffer): Iterable<Entry> {
  for (let position = 0; position < payload.length; ) {
    const byteLength = payload.readInt32LE(position + HEADER_BYTES);
    yield {
      kind: payload[position] as EntryKind,
      collectionId: payload.readUInt32LE(position + 1),
      document: decodeDocument(payload, position + HEADER_BYTES),
      byteLength,
    };
    position += HEADER_BYTES + byteLength;
  }
};
