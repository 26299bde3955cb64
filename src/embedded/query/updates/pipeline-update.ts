import { isIdentical } from '../../bson/identity.js';
import { type Document, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { compilePipeline, isStage } from '../pipelines/pipeline.js';
import { ensureEqualId, withIdFirst } from './document-id.js';
import type { Update, UpdateOptions } from './update.js';
import { seedFromFilter } from './upsert-seed.js';

const ALLOWED_STAGES: ReadonlySet<string> = new Set([
  '$set',
  '$addFields',
  '$unset',
  '$project',
  '$replaceRoot',
  '$replaceWith',
]);

/**
 * Compiles an update by an aggregation pipeline.
 * @throws DatabaseError FailedToParse with `arrayFilters`, InvalidOptions naming a stage that updates do not allow
 */
export function compilePipelineUpdate(stages: readonly Document[], options: UpdateOptions): Update {
  if (options.arrayFilters !== undefined && options.arrayFilters.length > 0) {
    return fail('FailedToParse', 'Cannot specify arrayFilters for a pipeline update');
  }
  const run = compileStages(stages, options);
  return {
    apply: (document) => {
      const result = run(document);
      const changed = withIdFirst(result, result['_id'] ?? document['_id']);
      if (isIdentical(changed, document)) return document;
      ensureEqualId(document, changed);
      return changed;
    },
    insertFrom: (filter) => {
      const seed = seedFromFilter(filter, { isReplacement: false, collation: options.collation });
      const result = run(seed);
      const inserted = withIdFirst(result, result['_id'] ?? seed['_id']);
      if (seed['_id'] !== undefined) ensureEqualId(seed, inserted);
      return inserted;
    },
  };
}

function compileStages(stages: readonly Document[], options: UpdateOptions): (document: Document) => Document {
  for (const stage of stages) {
    const [name] = isDocument(stage) ? Object.keys(stage) : [];
    if (name !== undefined && isStage(name) && !ALLOWED_STAGES.has(name)) {
      fail('InvalidOptions', `${name} is not allowed to be used within an update`);
    }
  }
  const pipeline = compilePipeline(stages, {
    collection: failOnCollection,
    database: '',
    source: undefined,
    collation: options.collation,
    variables: options.variables,
    now: options.now ?? new Date(),
    allowDiskUse: false,
    checkTime: () => undefined,
  });
  return function runStages(document) {
    const [result] = pipeline.run([document]);
    return result ?? document;
  };
}

/** The allowed stages read no collection. */
const failOnCollection = (): never => fail('InvalidOptions', 'An update reads no other collection');
