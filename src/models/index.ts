import type { Connection, Model, Query, Schema } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import type { Logger } from '../platform/logging/logger.js';
import type { Clock } from '../platform/time/clock.js';
import { createFaultLog } from './fault-log.js';
import type { IsSelected, StoredDocument } from './reader.js';
import { type ForeignModel, isForeign, ownStates, readDocument, readerOf } from './readers.js';
import { acceptTextIds } from './text-ids.js';

export { type Proof, proofOf } from './proof.js';
export { changedFields, storedValue } from './reader.js';
export { readDocument } from './readers.js';
export { repairDocuments } from './repair.js';
export { storedForms } from './text-ids.js';
export { isPlain, readBoolean, readDate, readId, readNumber, toIdText, UNKNOWN_ID } from './values.js';

const OPERATIONS = ['find', 'findOne', 'findOneAndUpdate', 'findOneAndDelete'] as const;

/** How documents of a model are read: converted, and logged when fields are unreadable. */
type Read = (document: StoredDocument, isSelected?: IsSelected | undefined) => void;

/** By model, for documents that did not come through a lean query of it. */
const reads = new WeakMap<object, Read>();

/** Logs the unreadable fields of a document. */
type NoteFaults = (document: object, fields: readonly string[]) => void;

const faultLogs = new WeakMap<object, NoteFaults>();

/** Logs that fields of a stored document are missing or have wrong types, for readers of their own. */
export const noteFaults = (model: object, document: object, fields: readonly string[]): void =>
  faultLogs.get(model)?.(document, fields);

/**
 * Reads a document of a hot query that went through the driver, as a lean query of the model does: converted in place, and
 * logged when fields are unreadable.
 * @param projection the requested fields; absent: all
 */
export function readStored<T>(model: Model<T>, stored: object, projection?: object): T {
  const read = reads.get(model);
  if (read === undefined) return readDocument(model.modelName as ForeignModel, stored, projection) as T;
  read(stored as StoredDocument, projection === undefined ? undefined : (field) => field in projection);
  return stored as T;
}

/**
 * The shared models with a reader for each foreign model: lean queries return converted documents, and unreadable
 * fields are logged. Does not apply to driver queries and aggregations. Filters find ids in both stored forms.
 */
export function defineGatewayModels(connection: Connection, context: { logger: Logger; clock: Clock }): Models {
  const note = createFaultLog(context);
  const define = (name: string, schema: Schema): unknown => {
    if (!isForeign(name)) {
      const model = connection.model(name, schema);
      faultLogs.set(model, (document, fields) => note(name, document as StoredDocument, fields));
      return model;
    }
    const read = readerOf(name);
    // A schema is shared by all connections of the process.
    const own = schema.clone();
    const readAndNote: Read = (document, isSelected) => {
      const faults = read(document, isSelected);
      if (faults.length > 0) note(name, document, faults);
    };
    own.post([...OPERATIONS], function (this: Query<unknown, unknown>, result: unknown) {
      if (this.mongooseOptions().lean === undefined || result === null || typeof result !== 'object') return;
      const isSelected = toSelection(this.projection());
      for (const document of [result].flat() as StoredDocument[]) readAndNote(document, isSelected);
    });
    const model = connection.model(name, own);
    reads.set(model, readAndNote);
    if (!ownStates.has(name)) acceptTextIds(model);
    return model;
  };
  return defineModels(Object.create(connection, { model: { value: define } }) as Connection);
}

/** The fields that a projection includes; `undefined`: all. */
function toSelection(projection: Record<string, unknown> | null | undefined): IsSelected | undefined {
  const entries = Object.entries(projection ?? {});
  const isInclusive = entries.some(([, how]) => how === 1 || how === true || isElementMatch(how));
  const named = new Set(entries.flatMap(([field, how]) => (isGone(how) === isInclusive ? [] : [toTop(field)])));
  if (isInclusive) return (field) => named.has(field) || (field === '_id' && !isGone(projection?.['_id'] ?? 1));
  return named.size === 0 ? undefined : (field) => !named.has(field);
}

/** A first element that matches: MongoDB returns no other fields then. `$slice` of a field alone returns all of them. */
const isElementMatch = (how: unknown): boolean => typeof how === 'object' && how !== null && '$elemMatch' in how;
const isGone = (how: unknown): boolean => how === 0 || how === false;
const toTop = (field: string): string => field.split('.')[0] ?? field;
