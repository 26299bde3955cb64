import { hostname } from 'node:os';
import { type Document, isDocument } from '../../../bson/values.js';
import { ensureKnownFields, fail } from '../../../errors.js';
import { compile, scopeOf } from '../../expressions/compiler.js';
import type { StageCompiler, StageEntry } from '../stage-context.js';
import { toCount } from './flow.js';

const COLL_STATS_FIELDS: ReadonlySet<string> = new Set(['count', 'storageStats', 'latencyStats']);

const compileCollStats: StageCompiler = (specification, context) => {
  if (!isDocument(specification)) return fail('Location5447000', '$collStats must take a nested object');
  const { source, database, now } = context;
  const { storageStats } = specification;
  ensureKnownFields(specification, COLL_STATS_FIELDS, '$collStats');
  if (specification['latencyStats'] !== undefined) {
    fail('CommandNotSupported', "$collStats' latencyStats is not supported by this database");
  }
  return function* runCollStats() {
    const collection = context.collection(source ?? '');
    const result: Document = { ns: `${database}.${source}`, host: hostname(), localTime: now };
    if (isDocument(storageStats)) result['storageStats'] = collection.statistics(storageStats['scale']);
    if (specification['count'] !== undefined) result['count'] = toCount([...collection.find({})].length);
    yield result;
  };
};

const compileIndexStats: StageCompiler = (_specification, context) => () =>
  context.collection(context.source ?? '').indexes();

const compileDocuments: StageCompiler = (specification, context) => {
  const documents = compile(specification, context.expressions)(scopeOf({}));
  if (!Array.isArray(documents) || !documents.every(isDocument)) {
    return fail('Location5858203', 'an array of documents is expected for $documents');
  }
  return () => documents;
};

/** Stages that are the source of a pipeline: `$collStats`, `$indexStats` and `$documents`. */
export const sourceStages: readonly StageEntry[] = [
  ['$collStats', compileCollStats],
  ['$indexStats', compileIndexStats],
  ['$documents', compileDocuments],
];
