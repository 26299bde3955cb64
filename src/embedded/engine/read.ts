import { byteLengthOf } from '../bson/size.js';
import type { Document } from '../bson/values.js';
import type { Matcher } from '../query/filters/filter.js';
import {
  compileSortOrder,
  ensureSortable,
  MAX_SORT_BYTES,
  parseSort,
  type SortOrder,
  sortDocuments,
} from '../query/sort.js';
import type { Collection } from './collection.js';
import type { StoredRecord } from './indexes/collection-index.js';
import { mergeReads } from './merge.js';
import type { IndexHint, IndexPlan } from './planner/index-plan.js';
import { type Plan, planRead } from './planner/planner.js';
import type { Transaction } from './transaction.js';

/** Counters for `explain`. */
export interface ReadStatistics {
  keysExamined: number;
  documentsExamined: number;
}

/** Counters that start at 0. */
export const createStatistics = (): ReadStatistics => ({ keysExamined: 0, documentsExamined: 0 });

/** A request to read documents. */
export interface ReadRequest {
  readonly matcher: Matcher;
  /** Has at least one field. */
  readonly sort?: Document | undefined;
  readonly skip?: number | undefined;
  /** 0 and undefined mean no limit. */
  readonly limit?: number | undefined;
  readonly hint?: IndexHint | undefined;
  readonly transaction?: Transaction | undefined;
  /** Whether a sort can exceed the memory limit that applies without disk use. */
  readonly allowDiskUse?: boolean | undefined;
  /** @throws DatabaseError MaxTimeMSExpired */
  readonly checkTime: () => void;
  readonly statistics?: ReadStatistics;
}

/** The number of documents between two checks of the time limit. */
const DOCUMENTS_PER_CHECK = 1024;
/** With this many more matches than needed, a sort keeps the first ones and drops the rest. */
const SORT_SLACK = 4096;

/** The plan for a request. */
export function planOf(collection: Collection, { matcher, sort, skip = 0, limit = 0, hint }: ReadRequest): Plan {
  return planRead(collection, {
    matcher,
    sort: sort && parseSort(sort),
    limit: limit > 0 ? limit + skip : undefined,
    hint,
  });
}

/** Reads documents in the requested order. They are the stored objects and must not be modified. */
export function readDocuments(collection: Collection, request: ReadRequest): Document[] {
  const { sort, skip = 0, limit = 0, transaction, matcher } = request;
  const overlay = transaction?.overlayOf(collection);
  const plan = planOf(collection, request);
  const wanted = limit > 0 ? skip + limit : Number.POSITIVE_INFINITY;
  // The documents that a transaction sees instead of committed ones are not in the index.
  const isOrdered = !sort || (plan.isSorted && !overlay);
  const limitBytes = request.allowDiskUse ? Number.POSITIVE_INFINITY : MAX_SORT_BYTES;
  const matches: Matches = { documents: [], bytes: 0, sort: isOrdered ? undefined : sort, wanted, matcher, limitBytes };
  walkPlan(collection, plan, request, (record) => {
    if (overlay?.has(record.key) || !matcher.matches(record.document)) return true;
    return addMatch(matches, record.document, record.byteLength);
  });
  if (overlay) {
    // Thousands of updates by `_id` in one transaction must not look at each other's documents.
    for (const document of plan.kind === 'key' ? [overlay.get(plan.key)] : overlay.documents()) {
      if (document && matcher.matches(document) && !addMatch(matches, document, byteLengthOf(document))) break;
    }
  }
  const documents = matches.sort
    ? sortDocuments(matches.documents, matches.sort, matcher.collation)
    : matches.documents;
  return skip === 0 && documents.length <= wanted ? documents : documents.slice(skip, wanted);
}

interface Matches {
  documents: Document[];
  /** The size of the documents as BSON. */
  bytes: number;
  readonly limitBytes: number;
  /** Set when the documents must be sorted. */
  readonly sort: Document | undefined;
  readonly wanted: number;
  readonly matcher: Matcher;
}

/** Adds a match. @returns false when no more are needed */
function addMatch(matches: Matches, document: Document, byteLength: number): boolean {
  const { documents, sort, wanted, limitBytes } = matches;
  documents.push(document);
  if (!sort) return documents.length < wanted;
  matches.bytes += byteLength;
  if (documents.length >= wanted * 2 + SORT_SLACK || matches.bytes > limitBytes) dropExcess(matches, sort);
  if (matches.bytes > limitBytes) ensureSortable(matches.bytes);
  return true;
}

/** Drops the matches that are certainly not in the result. */
function dropExcess(matches: Matches, sort: Document): void {
  const { documents, wanted, matcher } = matches;
  if (documents.length <= wanted) return;
  matches.documents = sortDocuments(documents, sort, matcher.collation).slice(0, wanted);
  matches.bytes = matches.documents.reduce((sum, document) => sum + byteLengthOf(document), 0);
}

type Visit = (record: StoredRecord) => boolean;

/** Visits each record that the plan finds once, until the visitor returns false. */
function walkPlan(collection: Collection, plan: Plan, request: ReadRequest, visit: Visit): void {
  const { statistics, checkTime, sort, matcher } = request;
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
  const once = mayRepeat(plan) ? visitOncePerRecord(examine) : examine;
  const order = (): SortOrder => compileSortOrder(parseSort(sort ?? {}), matcher.collation);
  walk(collection, plan, { visit: once, statistics, order });
}

const mayRepeat = (plan: Plan): boolean =>
  plan.kind === 'union' || plan.kind === 'merge' || (plan.kind === 'index' && plan.mayRepeat);

function visitOncePerRecord(visit: Visit): Visit {
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
  /** The requested order. */
  readonly order: () => SortOrder;
}

/** @returns false when the visitor stopped */
function walk(collection: Collection, plan: Plan, how: Walk): boolean {
  const { visit, statistics } = how;
  switch (plan.kind) {
    case 'key': {
      const record = collection.records.get(plan.key);
      if (statistics && record) statistics.keysExamined += 1;
      return record ? visit(record) : true;
    }
    case 'scan':
      return walkAll(collection, plan.isReversed, visit);
    case 'index':
      return plan.isMerged ? walkMerged([plan], how) : walkIndex(plan, how);
    case 'merge':
      return walkMerged(plan.plans, how);
    default:
      return plan.plans.every((branch) => walk(collection, branch, how));
  }
}

function walkIndex({ index, ranges, isReversed }: IndexPlan, { visit, statistics }: Walk): boolean {
  const counting: Visit = statistics ? visitCounting(visit, statistics) : visit;
  const inOrder = isReversed ? [...ranges].reverse() : ranges;
  return inOrder.every((range) => index.scan(range, isReversed, counting));
}

function walkMerged(plans: readonly IndexPlan[], { visit, statistics, order }: Walk): boolean {
  const reads = plans.flatMap(({ index, ranges, isReversed }) =>
    ranges.map((range) => index.recordsOf(range, isReversed)),
  );
  return mergeReads(reads, order(), statistics ? visitCounting(visit, statistics) : visit);
}

const visitCounting =
  (visit: Visit, statistics: ReadStatistics): Visit =>
  (record) => {
    statistics.keysExamined += 1;
    return visit(record);
  };

function walkAll(collection: Collection, isReversed: boolean, visit: Visit): boolean {
  const records = isReversed ? [...collection.records.values()].reverse() : collection.records.values();
  for (const record of records) if (!visit(record)) return false;
  return true;
}
