import { Long } from 'bson';
import { describe } from '../../../bson/describe.js';
import { integerOf, toNumber } from '../../../bson/numbers.js';
import { byteLengthOf } from '../../../bson/size.js';
import { type Document, isDocument, isInt32, isNumeric, setField } from '../../../bson/values.js';
import { type CodeName, ensureKnownFields, fail } from '../../../errors.js';
import { ensureFieldNames } from '../../expressions/compiler.js';
import { compileFilter } from '../../filters/filter.js';
import { ensureSortable, parseSort, sortDocuments } from '../../sort.js';
import { collect, type Stage, type StageCompiler, type StageEntry } from '../stage-context.js';

const compileMatch: StageCompiler = (specification, { collation, variables }) => {
  if (!isDocument(specification)) return fail('Location15959', 'the match filter must be an expression in an object');
  const { matches } = compileFilter(specification, { collation, variables });
  return function* runMatch(input) {
    for (const document of input) if (matches(document)) yield document;
  };
};

const compileSortStage: StageCompiler = (specification, context) => {
  if (!isDocument(specification)) return fail('Location15973', 'the $sort key specification must be an object');
  if (Object.keys(specification).length === 0) {
    return fail('Location15976', '$sort stage must have at least one sort key');
  }
  parseSort(specification);
  return function* runSort(input) {
    const documents = collect(input);
    if (!context.allowDiskUse) ensureSortable(documents.reduce((sum, document) => sum + byteLengthOf(document), 0));
    yield* sortDocuments(documents, specification, context.collation);
  };
};

const ensureInteger = (stage: string, value: unknown, code: CodeName): number =>
  integerOf(value) ??
  fail(code, `invalid argument to ${stage} stage: Expected a number in: ${stage}: ${describe(value)}`);

const compileLimit: StageCompiler = (specification) => {
  const limit = ensureInteger('$limit', specification, 'Location5107201');
  if (limit < 0) {
    return fail(
      'Location5107201',
      `invalid argument to $limit stage: Expected a non-negative number in: $limit: ${limit}`,
    );
  }
  if (limit === 0) return fail('Location15958', 'the limit must be positive');
  return function* runLimit(input) {
    let left = limit;
    for (const document of input) {
      yield document;
      left -= 1;
      // Requesting one more would make the previous stages compute it in vain.
      if (left === 0) return;
    }
  };
};

const compileSkip: StageCompiler = (specification) => {
  const skip = ensureInteger('$skip', specification, 'Location5107200');
  if (skip < 0) {
    return fail(
      'Location5107200',
      `invalid argument to $skip stage: Expected a non-negative number in: $skip: ${skip}`,
    );
  }
  return function* runSkip(input) {
    let left = skip;
    for (const document of input) {
      if (left > 0) left -= 1;
      else yield document;
    }
  };
};

/** A count as an int, or as a long when it does not fit. */
export const toCount = (count: number): number | Long => (isInt32(count) ? count : Long.fromNumber(count));

const compileCount: StageCompiler = (specification) => {
  if (typeof specification !== 'string') return fail('Location40156', 'the count field must be a non-empty string');
  if (specification === '') return fail('Location40157', 'the count field must be a non-empty string');
  if (specification.startsWith('$')) return fail('Location40158', 'the count field cannot be a $-prefixed path');
  if (specification.includes('.')) return fail('Location40160', "the count field cannot contain '.'");
  return function* runCount(input) {
    let count = 0;
    for (const _ of input) count += 1;
    if (count === 0) return;
    const result: Document = {};
    setField(result, specification, toCount(count));
    yield result;
  };
};

const compileSample: StageCompiler = (specification) => {
  if (!isDocument(specification)) return fail('Location28745', 'the $sample stage specification must be an object');
  for (const key of Object.keys(specification)) {
    if (key !== 'size') fail('Location28748', `unrecognized option to $sample: ${key}`);
  }
  const given = specification['size'];
  if (given === undefined) return fail('Location28749', '$sample stage must specify a size');
  if (!isNumeric(given)) return fail('Location28746', 'size argument to $sample must be a number');
  const size = Math.trunc(toNumber(given));
  if (!(size > 0)) return fail('Location28747', 'size argument to $sample must be a positive integer');
  return function* runSample(input) {
    const pool = collect(input);
    for (let drawn = 0; drawn < size && pool.length > 0; drawn += 1) {
      const index = Math.floor(Math.random() * pool.length);
      yield pool[index] as Document;
      pool[index] = pool.at(-1) as Document;
      pool.pop();
    }
  };
};

const compileFacet: StageCompiler = (specification, context) => {
  if (!isDocument(specification)) return fail('Location40169', 'the $facet specification must be a non-empty object');
  const names = Object.keys(specification);
  if (names.length === 0) return fail('Location40169', 'the $facet specification must be a non-empty object');
  const facets = names.map((name) => {
    const stages = specification[name];
    ensureFieldNames([name]);
    if (name.includes('.')) return fail('Location16412', "FieldPath field names may not contain '.'.");
    if (!Array.isArray(stages)) return fail('Location40170', `arguments to $facet must be arrays, ${name} is not one`);
    for (const stage of stages) ensureAllowedInFacet(stage);
    return [name, context.compileInner(stages)] as const;
  });
  return function* runFacet(input) {
    const documents = collect(input);
    const result: Document = {};
    for (const [name, pipeline] of facets) setField(result, name, [...pipeline.run(documents)]);
    yield result;
  };
};

const NOT_IN_FACET = ['$facet', '$out', '$merge', '$geoNear', '$indexStats', '$collStats', '$documents'];

function ensureAllowedInFacet(stage: unknown): void {
  const [name] = isDocument(stage) ? Object.keys(stage) : [];
  if (name !== undefined && NOT_IN_FACET.includes(name)) {
    fail('Location40600', `${name} is not allowed to be used within a $facet stage`);
  }
}

const UNION_FIELDS: ReadonlySet<string> = new Set(['coll', 'pipeline']);

const compileUnion: StageCompiler = (specification, context) => {
  const options: Document = typeof specification === 'string' ? { coll: specification } : (specification as Document);
  if (!isDocument(options))
    return fail('FailedToParse', 'the $unionWith stage specification must be an object or string');
  ensureKnownFields(options, UNION_FIELDS, '$unionWith');
  const { coll, pipeline = [] } = options;
  if (coll !== undefined && typeof coll !== 'string')
    return fail('TypeMismatch', "BSON field '$unionWith.coll' must be a string");
  ensureAllowedInUnion(pipeline, coll !== undefined);
  const inner = context.compileInner(pipeline);
  const stage: Stage = function* (input) {
    yield* input;
    yield* coll === undefined ? inner.run([]) : inner.runOn(context.collection(coll));
  };
  return stage;
};

function ensureAllowedInUnion(stages: unknown, hasCollection: boolean): void {
  const names = Array.isArray(stages) ? stages.filter(isDocument).map((stage) => Object.keys(stage)[0]) : [];
  if (!hasCollection && names[0] !== '$documents') {
    fail(
      'FailedToParse',
      '$unionWith stage without explicit collection must have a pipeline with $documents as first stage',
    );
  }
  const output = names.find((name) => name === '$out' || name === '$merge');
  if (output !== undefined) fail('Location31441', `${output} is not allowed within a $unionWith's sub-pipeline`);
}

/** Stages that select, sort and count documents, or combine pipelines. */
export const flowStages: readonly StageEntry[] = [
  ['$match', compileMatch],
  ['$sort', compileSortStage],
  ['$limit', compileLimit],
  ['$skip', compileSkip],
  ['$count', compileCount],
  ['$sample', compileSample],
  ['$facet', compileFacet],
  ['$unionWith', compileUnion],
];
