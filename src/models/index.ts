import type { Connection, Query, Schema } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import type { Clock } from '../platform/clock.js';
import type { Logger } from '../platform/logger.js';
import { createFaultLog } from './fault-log.js';
import type { IsSelected, StoredDocument } from './reader.js';
import { isForeign, ownStates, readerOf } from './readers.js';
import { acceptTextIds } from './text-ids.js';

export { storedValue } from './reader.js';
export { readDocument } from './readers.js';
export { repairDocuments } from './repair.js';
export { storedForms } from './text-ids.js';
export { isShowable, readDate, readId, toIdText, UNKNOWN_ID } from './values.js';

const OPERATIONS = ['find', 'findOne', 'findOneAndUpdate', 'findOneAndDelete'] as const;

/**
 * The shared models with a reader for each foreign model: lean queries return converted documents, and unreadable
 * fields are logged. Does not apply to driver queries and aggregations. Filters find ids in both stored forms.
 */
export function defineGatewayModels(connection: Connection, context: { logger: Logger; clock: Clock }): Models {
  const note = createFaultLog(context);
  const define = (name: string, schema: Schema): unknown => {
    if (!isForeign(name)) return connection.model(name, schema);
    const read = readerOf(name);
    // A schema is shared by all connections of the process.
    const own = schema.clone();
    own.post([...OPERATIONS], function (this: Query<unknown, unknown>, result: unknown) {
      if (this.mongooseOptions().lean === undefined || result === null || typeof result !== 'object') return;
      const isSelected = toSelection(this.projection());
      for (const document of [result].flat() as StoredDocument[]) {
        const faults = read(document, isSelected);
        if (faults.length > 0) note(name, document, faults);
      }
    });
    const model = connection.model(name, own);
    if (!ownStates.has(name)) acceptTextIds(model);
    return model;
  };
  return defineModels(Object.create(connection, { model: { value: define } }) as Connection);
}

/** The fields that a projection includes; `undefined`: all. */
function toSelection(projection: Record<string, unknown> | null | undefined): IsSelected | undefined {
  const entries = Object.entries(projection ?? {});
  const isInclusive = entries.some(([, how]) => how === 1 || how === true);
  const named = new Set(entries.flatMap(([field, how]) => (isGone(how) === isInclusive ? [] : [toTop(field)])));
  if (isInclusive) return (field) => named.has(field) || (field === '_id' && !isGone(projection?.['_id'] ?? 1));
  return named.size === 0 ? undefined : (field) => !named.has(field);
}

const isGone = (how: unknown): boolean => how === 0 || how === false;
const toTop = (field: string): string => field.split('.')[0] ?? field;
