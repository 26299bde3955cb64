import { Timestamp } from 'bson';
import { differenceOf } from '../bson/difference.js';
import { type Document, isDocument } from '../bson/values.js';
import type { LoggedChange } from '../engine/change-log.js';
import { fail } from '../errors.js';
import type { Request } from './request/request.js';

/** Options that change nothing here: pre- and post-images are not kept, and there is one server. */
const IGNORED: ReadonlySet<string> = new Set(['fullDocument', 'fullDocumentBeforeChange', 'allChangesForCluster']);

/**
 * The change events of a collection, or of a database, from `startAtOperationTime` on.
 * @param name `undefined`: of all collections of the database
 * @throws DatabaseError ChangeStreamHistoryLost when some are not kept any more
 */
export function readChanges(
  { state, database, transaction }: Request,
  specification: unknown,
  name?: string,
): Document[] {
  if (transaction !== undefined) {
    fail(
      'OperationNotSupportedInTransaction',
      'Stage not supported inside of a multi-document transaction: $changeStream',
    );
  }
  const { engine } = state;
  return engine.changes
    .since(startOf(specification) ?? engine.clusterTime.next())
    .filter((change) => change.database === database && (name === undefined || change.name === name))
    .map(toEvent);
}

function startOf(specification: unknown): Timestamp | undefined {
  if (!isDocument(specification)) return fail('Location50808', '$changeStream stage expects a document as argument');
  const { startAtOperationTime, ...others } = specification;
  for (const [option, value] of Object.entries(others)) {
    const isDefault = value === undefined || value === false || value === 'default' || value === 'off';
    if (!IGNORED.has(option) || !isDefault) {
      fail('CommandNotSupported', `the option ${option} of $changeStream is not supported by this database`);
    }
  }
  if (startAtOperationTime === undefined || startAtOperationTime instanceof Timestamp) return startAtOperationTime;
  return fail(
    'TypeMismatch',
    "BSON field '$changeStream.startAtOperationTime' is the wrong type, expected type 'timestamp'",
  );
}

function toEvent({ database, name, before, after, time, place }: LoggedChange): Document {
  const { _id } = after ?? before ?? {};
  const seconds = time.getHighBitsUnsigned();
  return {
    // Sorts as the changes were committed.
    _id: {
      _data: [seconds, time.getLowBitsUnsigned(), place].map((part) => part.toString(16).padStart(8, '0')).join(''),
    },
    operationType: after === undefined ? 'delete' : before === undefined ? 'insert' : 'update',
    clusterTime: time,
    wallTime: new Date(seconds * 1000),
    ns: { db: database, coll: name },
    documentKey: { _id },
    ...(before === undefined && { fullDocument: after }),
    ...(before !== undefined && after !== undefined && { updateDescription: differenceOf(before, after) }),
  };
}
