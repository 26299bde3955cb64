import { toKeyString } from '../bson/key-string.js';
import { toNumber } from '../bson/numbers.js';
import { distinctValuesAt } from '../bson/path.js';
import { type Document, fieldOf, isNumeric } from '../bson/values.js';
import type { Collection } from '../engine/collection.js';
import { planOf, type ReadRequest, type ReadStatistics, readDocuments } from '../engine/read.js';
import { fail } from '../errors.js';
import { compileFilter, type Matcher } from '../query/filters/filter.js';
import { compileProjection } from '../query/projections/projection.js';
import {
  collationOf,
  ensureNotGiven,
  isSet,
  optionalCount,
  optionalDocument,
  requiredArray,
  requiredString,
  variablesOf,
} from './request/fields.js';
import { resolveHint, resolveOrder } from './request/hint.js';
import type { Command, Request } from './request/request.js';
import { targetCollection, targetName } from './request/target.js';

/** A parsed find command. */
export interface FindPlan {
  readonly matcher: Matcher;
  readonly read: ReadRequest;
  readonly project: ((document: Document) => Document) | undefined;
}

/** Parses a find command. */
export function toFindPlan(
  request: Request,
  collection: Collection | undefined,
  statistics?: ReadStatistics,
): FindPlan {
  const { command, transaction, deadline } = request;
  const collation = collationOf(command['collation'], collection);
  const variables = variablesOf(request);
  const matcher = compileFilter(optionalDocument(request, 'filter') ?? {}, { collation, variables });
  const projection = optionalDocument(request, 'projection');
  const order = resolveOrder(collection, { sort: optionalDocument(request, 'sort'), hint: command['hint'] });
  return {
    matcher,
    project:
      projection && Object.keys(projection).length > 0
        ? compileProjection(projection, { matcher, collation, variables })
        : undefined,
    read: {
      matcher,
      ...order,
      skip: optionalCount(request, 'skip'),
      limit: optionalCount(request, 'limit'),
      transaction,
      allowDiskUse: isSet(command, 'allowDiskUse'),
      checkTime: deadline.check,
      ...(statistics && { statistics }),
    },
  };
}

const UNSUPPORTED_OPTIONS = ['tailable', 'awaitData', 'min', 'max', 'returnKey', 'showRecordId'] as const;

function find(request: Request): Document {
  ensureNotGiven(request, UNSUPPORTED_OPTIONS);
  const { command, state, session, database } = request;
  const collection = targetCollection(request);
  const { read, project } = toFindPlan(request, collection);
  const batchSize = isNumeric(command['batchSize']) ? optionalCount(request, 'batchSize') : undefined;
  const documents = collection ? readDocuments(collection, read) : [];
  return state.cursors.open({
    namespace: `${database}.${targetName(request)}`,
    documents,
    isEndUnknown: () => collection !== undefined && isEndUnknown(collection, read, documents.length),
    batchSize,
    isSingleBatch: isSet(command, 'singleBatch'),
    session,
    ...(project && { toResult: project }),
  });
}

/** Unless a limit was reached, a document was found by `_id`, or the documents were sorted in memory. */
function isEndUnknown(collection: Collection, read: ReadRequest, found: number): boolean {
  const { limit = 0, sort } = read;
  if (limit > 0 && found >= limit) return false;
  const plan = planOf(collection, read);
  return plan.kind !== 'key' && (!sort || plan.isSorted);
}

function getMore(request: Request): Document {
  const { command, state, session, database } = request;
  const id = command['getMore'];
  if (!isNumeric(id))
    return fail('TypeMismatch', "BSON field 'getMore.getMore' is the wrong type, expected type 'long'");
  if (command['maxTimeMS'] !== undefined) {
    return fail('BadValue', 'cannot set maxTimeMS on getMore command for a non-awaitData cursor');
  }
  const namespace = `${database}.${requiredString(request, 'collection')}`;
  return state.cursors.next(toNumber(id), { namespace, batchSize: optionalCount(request, 'batchSize'), session });
}

function killCursors(request: Request): Document {
  const killed: unknown[] = [];
  const notFound: unknown[] = [];
  for (const id of requiredArray(request, 'cursors')) {
    const isKilled = isNumeric(id) && request.state.cursors.kill(toNumber(id));
    (isKilled ? killed : notFound).push(id);
  }
  return { cursorsKilled: killed, cursorsNotFound: notFound, cursorsAlive: [], cursorsUnknown: [], ok: 1 };
}

function count(request: Request): Document {
  const { command, transaction, deadline } = request;
  const collection = targetCollection(request);
  if (!collection) return { n: 0, ok: 1 };
  const collation = collationOf(command['collation'], collection);
  const filter = optionalDocument(request, 'query') ?? {};
  const skip = optionalCount(request, 'skip');
  const given = isNumeric(command['limit']) ? Math.abs(toNumber(command['limit'])) : 0;
  if (Object.keys(filter).length === 0 && !transaction) {
    const available = Math.max(0, collection.records.size - skip);
    return { n: given > 0 ? Math.min(given, available) : available, ok: 1 };
  }
  const documents = readDocuments(collection, {
    matcher: compileFilter(filter, { collation, variables: variablesOf(request) }),
    skip,
    limit: given,
    hint: resolveHint(collection, command['hint']),
    transaction,
    checkTime: deadline.check,
  });
  return { n: documents.length, ok: 1 };
}

function distinct(request: Request): Document {
  const { command, transaction, deadline } = request;
  const path = requiredString(request, 'key');
  const collection = targetCollection(request);
  const collation = collationOf(command['collation'], collection);
  const matcher = compileFilter(optionalDocument(request, 'query') ?? {}, {
    collation,
    variables: variablesOf(request),
  });
  if (!collection) return { values: [], ok: 1 };
  const values = new Map<string, unknown>();
  const hint = resolveHint(collection, fieldOf(command, 'hint'));
  for (const document of readDocuments(collection, { matcher, hint, transaction, checkTime: deadline.check })) {
    for (const value of distinctValuesAt(document, path)) {
      const key = toKeyString(value, collation);
      if (!values.has(key)) values.set(key, value);
    }
  }
  return { values: [...values].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, value]) => value), ok: 1 };
}

const FIND_FIELDS = new Set([
  'filter',
  'sort',
  'projection',
  'hint',
  'skip',
  'limit',
  'batchSize',
  'singleBatch',
  'max',
  'min',
  'returnKey',
  'showRecordId',
  'tailable',
  'awaitData',
  'noCursorTimeout',
  'oplogReplay',
  'allowPartialResults',
  'collation',
  'allowDiskUse',
  'let',
]);

/** Commands that read documents, except `aggregate`. */
export const readCommands: Readonly<Record<string, Command>> = {
  find: { fields: FIND_FIELDS, isTransactional: true, run: find },
  getMore: { fields: new Set(['collection', 'batchSize']), isTransactional: true, run: getMore },
  killCursors: { fields: new Set(['cursors']), isTransactional: true, run: killCursors },
  count: {
    fields: new Set(['query', 'limit', 'skip', 'hint', 'collation', 'fields']),
    run: count,
  },
  distinct: { fields: new Set(['key', 'query', 'collation', 'hint']), isTransactional: true, run: distinct },
};
