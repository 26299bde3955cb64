import type { Document } from '../../../../src/embedded/bson/values.js';
import { compileFilter } from '../../../../src/embedded/query/filters/filter.js';
import { type AggregateContext, compilePipeline } from '../../../../src/embedded/query/pipelines/pipeline.js';
import { sortDocuments } from '../../../../src/embedded/query/sort.js';

/** The documents of collections by name. */
export type Collections = Readonly<Record<string, readonly Document[]>>;

/** Runs a pipeline on the collection `source` without an engine. */
export function runPipeline(stages: readonly Document[], collections: Collections): Document[] {
  const find = (name: string, filter: Document, sort?: Document, limit?: number): Document[] => {
    const { matches } = compileFilter(filter);
    const found = (collections[name] ?? []).filter(matches);
    return (sort === undefined ? found : sortDocuments(found, sort)).slice(0, limit);
  };
  const context: AggregateContext = {
    collection: (name) => ({
      find: (filter, { sort, limit } = {}) => find(name, filter, sort, limit),
      indexes: () => [],
      statistics: () => ({}),
    }),
    database: 'test',
    source: 'source',
    collation: undefined,
    variables: undefined,
    now: new Date(0),
    allowDiskUse: true,
    checkTime: () => {},
  };
  const { leadingMatch = {}, leadingSort, leadingLimit, run } = compilePipeline(stages, context);
  return [...run(find('source', leadingMatch, leadingSort, leadingLimit))];
}
