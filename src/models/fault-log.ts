import type { Logger } from '../platform/logging/logger.js';
import type { Clock } from '../platform/time/clock.js';
import { type StoredDocument, storedValue } from './reader.js';

/** Documents that are logged in one hour. */
const DOCUMENTS_MAX = 1000;
const HOUR_MS = 3_600_000;

/** Logs documents with unreadable fields: each at most once an hour, up to a limit. */
export function createFaultLog({ logger, clock }: { logger: Logger; clock: Clock }) {
  const named = new Set<string>();
  let since = clock.now();
  return function logFault(model: string, document: StoredDocument, fields: readonly string[]): void {
    if (clock.now() - since >= HOUR_MS) {
      named.clear();
      since = clock.now();
    }
    const id = String(storedValue(document, '_id')).slice(0, 64);
    const key = `${model} ${id}`;
    if (named.size >= DOCUMENTS_MAX || named.has(key)) return;
    named.add(key);
    logger.warn({ model, id, fields }, 'a stored document is incomplete or has wrong types');
  };
}
