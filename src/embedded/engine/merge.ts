import type { SortOrder } from '../query/sort.js';
import type { StoredRecord } from './indexes/collection-index.js';

/** The next record of an ordered read, with its sort keys. */
interface Head {
  readonly record: StoredRecord;
  readonly keys: readonly unknown[];
  readonly rest: Iterator<StoredRecord, void>;
}

/**
 * Merges reads that are in the same order.
 * @param visit returns false to stop
 * @returns false when it was stopped
 */
export function mergeReads(
  reads: readonly Iterator<StoredRecord, void>[],
  { compare, keysOf }: SortOrder,
  visit: (record: StoredRecord) => boolean,
): boolean {
  /** In descending order, so that the next record is at the end. */
  const heads: Head[] = [];
  const advance = (rest: Iterator<StoredRecord, void>): void => {
    const { value: record } = rest.next();
    if (!record) return;
    const keys = keysOf(record.document);
    let [low, high] = [0, heads.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare((heads[middle] as Head).keys, keys) >= 0) low = middle + 1;
      else high = middle;
    }
    heads.splice(low, 0, { record, keys, rest });
  };
  for (const read of reads) advance(read);
  for (let head = heads.pop(); head; head = heads.pop()) {
    if (!visit(head.record)) return false;
    advance(head.rest);
  }
  return true;
}
