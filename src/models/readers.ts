import type { Connection, Schema } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import { createReader, type Reader, type StoredDocument } from './reader.js';

/** The models whose collections other services write, and that are read here. Delivery, uploads and sockets are our own. */
export const foreignModels = [
  ...['User', 'Contact', 'Department'],
  ...['Conversation', 'ConversationProspect', 'Member', 'Message', 'Communication', 'Counter'],
  ...['SupportConversation', 'SupportMessage', 'SupportRead'],
  ...['Chat', 'ChatMessage', 'Notification'],
] as const satisfies readonly (keyof Models)[];

/** The name of a model that other services write. */
export type ForeignModel = (typeof foreignModels)[number];

const readers = collectReaders();

/** One reader for each foreign model, made of its schema: a field that is added there is read here. */
export const readerOf = (name: ForeignModel): Reader => readers[name];

export const isForeign = (name: string): name is ForeignModel => name in readers;

/**
 * Makes a document what its model says, in place; again is fine. Lean queries of the gateway's models return documents that
 * were read; this is for what came another way: by an aggregation, or by the driver, which does not cast what it is asked.
 * @param fields those that were asked for; absent: all
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
