import type { Collation } from '../../bson/collation.js';
import { type Document, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { compilePipeline } from '../pipelines/pipeline.js';

const ALLOWED: ReadonlySet<string> = new Set([
  '$set',
  '$addFields',
  '$unset',
  '$project',
  '$replaceRoot',
  '$replaceWith',
]);

/** An update has no other collection to read. */
const noCollection = (): never => fail('InvalidOptions', 'An update reads no other collection');

/**
 * Compiles the pipeline of an update.
 * @throws DatabaseError InvalidOptions naming a stage that an update does not allow
 */
export function compileUpdatePipeline(
  stages: readonly Document[],
  options: { collation?: Collation | undefined; variables?: Document | undefined; now?: Date | undefined },
): (document: Document) => Document {
  for (const stage of stages) {
    const [name] = isDocument(stage) ? Object.keys(stage) : [];
    if (name !== undefined && !ALLOWED.has(name)) {
      fail('InvalidOptions', `${name} is not allowed to be used within an update`);
    }
  }
  const pipeline = compilePipeline(stages, {
    collection: noCollection,
    database: '',
    source: undefined,
    collation: options.collation,
    variables: options.variables,
    now: options.now ?? new Date(),
    allowDiskUse: false,
    checkTime: () => undefined,
  });
  return (document) => {
    const [result] = pipeline.run([document]);
    return result ?? document;
  };
}
