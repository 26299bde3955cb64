import { integerOf } from '../../../bson/numbers.js';
import { compareValues, rankOf } from '../../../bson/order.js';
import { type Document, isDocument, setField } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, type Scope, scopeOf } from '../../expressions/compiler.js';
import { readParameters } from '../../expressions/operators/define.js';
import { collect, type StageCompiler, type StageContext, type StageEntry } from '../stage-context.js';
import { compileGroupFields, type GroupFields, groupDocuments } from './group.js';

function outputFields(output: unknown, context: StageContext): GroupFields {
  if (output === undefined) return compileGroupFields({ count: { $sum: 1 } }, context);
  if (!isDocument(output)) return fail('Location40196', 'The $bucket output field must be an object');
  return compileGroupFields(output, context);
}

/** The value of a constant expression. */
const constantOf = (value: unknown, context: StageContext): unknown => compile(value, context.expressions)(scopeOf({}));

const compileBucket: StageCompiler = (specification, context) => {
  const options = readParameters('$bucket', specification, {
    required: ['groupBy', 'boundaries'],
    optional: ['default', 'output'],
  });
  if (!Array.isArray(options.boundaries)) return fail('Location40200', 'The $bucket boundaries field must be an array');
  const boundaries = options.boundaries.map((boundary) => constantOf(boundary, context));
  if (boundaries.length < 2) return fail('Location40192', 'The $bucket boundaries field must have at least 2 values');
  ensureAscending(boundaries, context);
  const hasDefault = 'default' in options;
  const otherwise = hasDefault ? constantOf(options.default, context) : undefined;
  const groupBy = compile(options.groupBy, context.expressions);
  const fields = outputFields(options.output, context);
  const id = (scope: Scope): unknown => {
    const value = groupBy(scope) ?? null;
    for (let index = boundaries.length - 2; index >= 0; index -= 1) {
      const isInside =
        compareValues(value, boundaries[index], context.collation) >= 0 &&
        compareValues(value, boundaries[index + 1], context.collation) < 0;
      if (isInside) return boundaries[index];
    }
    if (hasDefault) return otherwise;
    return fail(
      'Location40066',
      '$switch could not find a matching branch for an input, and no default was specified.',
    );
  };
  return function* runBucket(input) {
    const groups = [...groupDocuments(input, { id, fields, context })];
    yield* groups.sort((a, b) => compareValues(a['_id'], b['_id'], context.collation));
  };
};

function ensureAscending(boundaries: readonly unknown[], { collation }: StageContext): void {
  for (const [index, boundary] of boundaries.slice(1).entries()) {
    const before = boundaries[index];
    if (rankOf(before) !== rankOf(boundary))
      fail('Location40193', 'All values in the the $bucket boundaries field must have the same type');
    if (compareValues(before, boundary, collation) >= 0) {
      fail('Location40194', 'The $bucket boundaries must be in ascending order');
    }
  }
}

const compileBucketAuto: StageCompiler = (specification, context) => {
  const options = readParameters('$bucketAuto', specification, {
    required: ['groupBy', 'buckets'],
    optional: ['output', 'granularity'],
  });
  if (options.granularity !== undefined)
    return fail('CommandNotSupported', "$bucketAuto's granularity is not supported by this database");
  const count = integerOf(options.buckets) ?? 0;
  if (count <= 0) return fail('Location40243', "The $bucketAuto 'buckets' field must be greater than 0");
  const groupBy = compile(options.groupBy, context.expressions);
  const fields = outputFields(options.output, context);
  return function* runBucketAuto(input) {
    const entries = collect(input).map((document) => {
      const scope = scopeOf(document);
      return { scope, value: groupBy(scope) ?? null };
    });
    entries.sort((a, b) => compareValues(a.value, b.value, context.collation));
    let start = 0;
    for (let bucket = 0; bucket < count && start < entries.length; bucket += 1) {
      const wanted = Math.max(Math.round((entries.length - start) / (count - bucket)), 1);
      let end = bucket === count - 1 ? entries.length : Math.min(start + wanted, entries.length);
      // Equal values stay in the same bucket.
      while (
        end < entries.length &&
        compareValues(entries[end]?.value, entries[end - 1]?.value, context.collation) === 0
      )
        end += 1;
      const last = entries[end] ?? entries[end - 1];
      yield toBucket(
        { min: entries[start]?.value, max: last?.value, scopes: entries.slice(start, end).map(({ scope }) => scope) },
        fields,
      );
      start = end;
    }
  };
};

interface Bucket {
  readonly min: unknown;
  readonly max: unknown;
  readonly scopes: readonly Scope[];
}

function toBucket({ min, max, scopes }: Bucket, fields: GroupFields): Document {
  const document: Document = { _id: { min, max } };
  for (const [field, create] of fields) {
    const accumulator = create();
    for (const scope of scopes) accumulator.add(scope);
    setField(document, field, accumulator.result() ?? null);
  }
  return document;
}

/** `$bucket` and `$bucketAuto`. */
export const bucketStages: readonly StageEntry[] = [
  ['$bucket', compileBucket],
  ['$bucketAuto', compileBucketAuto],
];
