import type { Connection, Schema } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import { createReader, type Reader, type StoredDocument } from './reader.js';

/**
 * Models whose collections other services write, or operators by hand, such as revocations. The gateway alone writes
 * delivery and sockets, and reads what else may be there in a place of its own.
 */
const foreignModels = [
  'User',
  'Contact',
  'Department',
  'Conversation',
  'ConversationProspect',
  'Member',
  'Message',
  'Communication',
  'Counter',
  'SupportConversation',
  'SupportMessage',
  'SupportRead',
  'SupportUpload',
  'Chat',
  'ChatMessage',
  'Notification',
  'Revocation',
] as const satisfies readonly (keyof Models)[];

/**
 * Of these, models that only the gateway inserts: the state of users in conversations, and of uploads. Their ids are `ObjectId`s, and
 * upserts rely on that.
 */
export const ownStates: ReadonlySet<string> = new Set<ForeignModel>([
  'Member',
  'Counter',
  'SupportRead',
  'SupportUpload',
]);

/** The name of a model that other services write. */
export type ForeignModel = (typeof foreignModels)[number];

const readers = collectReaders();

/** One reader for each foreign model, derived from its schema. */
export const readerOf = (name: ForeignModel): Reader => readers[name];

/** Whether other services write the collection of a model. */
export const isForeign = (name: string): name is ForeignModel => name in readers;

/**
 * Converts a document to its model, in place. Idempotent. For documents from aggregations or the driver; lean queries
 * of the gateway's models return converted documents.
 * @param fields the requested fields; absent: all
 */
export function readDocument<T extends object>(name: ForeignModel, document: T, fields?: object): T {
  readers[name](document as StoredDocument, fields === undefined ? undefined : (field) => field in fields);
  return document;
}

function collectReaders(): Readonly<Record<ForeignModel, Reader>> {
  const schemas = new Map<string, Schema>();
  const collect = (name: string, schema: Schema) => void schemas.set(name, schema);
  defineModels({ model: collect } as unknown as Connection);
  const entries = foreignModels.map((name) => {
    const schema = schemas.get(name);
    if (schema === undefined) throw new Error(`there is no model ${name}`);
    return [name, createReader(schema)] as const;
  });
  return Object.fromEntries(entries) as Record<ForeignModel, Reader>;
}
