import { byteLengthOf } from '../bson/size.js';
import type { Document } from '../bson/values.js';
import type { Matcher } from '../query/filters/filter.js';
import { ensureSortable, MAX_SORT_BYTES, parseSort, sortDocuments } from '../query/sort.js';
import type { Collection } from './collection.js';
import type { CollectionIndex, StoredRecord } from './indexes/collection-index.js';
import { type Plan, planRead } from './planner/planner.js';
import type { Transaction } from './transaction.js';

/** What `explain` counts. */
export interface ReadStatistics {
  keysExamined: number;
  documentsExamined: number;
}

/** Which documents are wanted, and how they may be found. */
export interface ReadRequest {
  readonly matcher: Matcher;
  readonly sort?: Document | undefined;
  readonly skip?: number | undefined;
  /** 0 and undefined: all. */
  readonly limit?: number | undefined;
  readonly hint?: CollectionIndex | 'natural' | 'naturalReversed' | undefined;
  readonly transaction?: Transaction | undefined;
  /** Whether a sort may take more memory than MongoDB gives it without the disk. */
  readonly allowDiskUse?: boolean | undefined;
  /** Throws when the command has run out of time. */
  readonly checkTime: () => void;
  readonly statistics?: ReadStatistics;
}

/** How often the clock is looked at. */
const DOCUMENTS_PER_CHECK = 1024;
/** Beyond so many more matches than wanted, the best are sorted out and the rest is forgotten. */
const SORT_SLACK = 4096;

/** The plan for a request. */
export function planOf(collection: Collection, { matcher, sort, skip = 0, limit = 0, hint }: ReadRequest): Plan {
  const isSorting = sort !== undefined && Object.keys(sort).length > 0;
  return planRead(collection, {
    matcher,
    sort: isSorting ? parseSort(sort) : undefined,
    limit: limit > 0 ? limit + skip : undefined,
    hint,
  });
}

/** The documents a request asks for, in its order. They are the stored ones: not to be changed. */
export function readDocuments(collection: Collection, request: ReadRequest): Document[] {
  const { sort, skip = 0, limit = 0, transaction, matcher } = request;
  const overlay = transaction?.overlayOf(collection);
  const plan = planOf(collection, request);
  const wanted = limit > 0 ? skip + limit : Number.POSITIVE_INFINITY;
  const isSorting = sort !== undefined && Object.keys(sort).length > 0;
  // What a transaction sees instead of the committed state is not in the index, hence not in its order.
  const isOrdered = !isSorting || (plan.isSorted && !overlay);
  const limitBytes = request.allowDiskUse ? Number.POSITIVE_INFINITY : MAX_SORT_BYTES;
  const found: Found = { documents: [], bytes: 0, sort: isOrdered ? undefined : sort, wanted, matcher, limitBytes };
  walkPlan(collection, plan, request, (record) => {
    if (overlay?.has(record.key) || !matcher.matches(record.document)) return true;
    return keep(found, record.document, record.byteLength);
  });
  if (overlay) {
    for (const document of overlay.values()) {
      if (document && matcher.matches(document) && !keep(found, document, byteLengthOf(document))) break;
    }
  }
  const documents = found.sort ? sortDocuments(found.documents, found.sort, matcher.collation) : found.documents;
  return skip === 0 && documents.length <= wanted ? documents : documents.slice(skip, wanted);
}

interface Found {
  documents: Document[];
  /** Of the documents, as BSON. */
  bytes: number;
  readonly limitBytes: number;
  /** Set when the documents come in another order than is wanted. */
  readonly sort: Document | undefined;
  readonly wanted: number;
  readonly matcher: Matcher;
}

/** @returns false when nothing more is wanted */
function keep(found: Found, document: Document, byteLength: number): boolean {
  const { documents, sort, wanted, limitBytes } = found;
  documents.push(document);
  if (!sort) return documents.length < wanted;
  found.bytes += byteLength;
  if (documents.length >= wanted * 2 + SORT_SLACK || found.bytes > limitBytes) cut(found, sort);
  if (found.bytes > limitBytes) ensureSortable(found.bytes);
  return true;
}

/** Forgets what is not wanted of what was found. */
function cut(found: Found, sort: Document): void {
  const { documents, wanted, matcher } = found;
  if (documents.length <= wanted) return;
  found.documents = sortDocuments(documents, sort, matcher.collation).slice(0, wanted);
  found.bytes = found.documents.reduce((sum, document) => sum + byteLengthOf(document), 0);
}

type Visit = (record: StoredRecord) => boolean;

/** Visits each record the plan leads to once, until the visitor has enough. */
function walkPlan(collection: Collection, plan: Plan, { statistics, checkTime }: ReadRequest, visit: Visit): void {
  let sinceCheck = 0;
  const examine: Visit = (record) => {
    sinceCheck += 1;
    if (sinceCheck === DOCUMENTS_PER_CHECK) {
      sinceCheck = 0;
      checkTime();
    }
    if (statistics) statistics.documentsExamined += 1;
    return visit(record);
  };
  walk(collection, plan, { visit: mayRepeat(plan) ? once(examine) : examine, statistics });
}

const mayRepeat = (plan: Plan): boolean => plan.kind === 'union' || (plan.kind === 'index' && plan.mayRepeat);

function once(visit: Visit): Visit {
  const seen = new Set<StoredRecord>();
  return function visitOnce(record) {
    if (seen.has(record)) return true;
    seen.add(record);
    return visit(record);
  };
}

interface Walk {
  readonly visit: Visit;
  readonly statistics: ReadStatistics | undefined;
}

/** @returns false when the visitor has enough */
function walk(collection: Collection, plan: Plan, { visit, statistics }: Walk): boolean {
  switch (plan.kind) {
    case 'key': {
      const record = collection.records.get(plan.key);
      if (statistics && record) statistics.keysExamined += 1;
      return record ? visit(record) : true;
    }
    case 'scan':
      return walkAll(collection, plan.isReversed, visit);
    case 'index': {
      const counting: Visit = statistics
        ? (record) => {
            statistics.keysExamined += 1;
            return visit(record);
          }
        : visit;
      const ranges = plan.isReversed ? [...plan.ranges].reverse() : plan.ranges;
      return ranges.every((range) => plan.index.scan(range, plan.isReversed, counting));
    }
    default:
      return plan.plans.every((branch) => walk(collection, branch, { visit, statistics }));
  }
}

function walkAll(collection: Collection, isReversed: boolean, visit: Visit): boolean {
  const records = isReversed ? [...collection.records.values()].reverse() : collection.records.values();
  for (const record of records) if (!visit(record)) return false;
  return true;
}
