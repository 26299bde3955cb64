import { toNumber } from '../../../bson/numbers.js';
import { compareValues, rankOf } from '../../../bson/order.js';
import { type Document, isDocument, isInt32, isNumeric, setField } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, type Scope, scopeOf } from '../../expressions/compiler.js';
import { readParameters } from '../../expressions/operators/define.js';
import { collect, type StageCompiler, type StageContext, type StageEntry } from '../stage-context.js';
import { compileGroupFields, type GroupFields, groupDocuments } from './group.js';

function outputFields(output: unknown, code: number, context: StageContext): GroupFields {
  if (output === undefined) return compileGroupFields({ count: { $sum: 1 } }, context);
  if (!isDocument(output)) return fail(`Location${code}`, 'The output field of the buckets must be an object');
  return compileGroupFields(output, context);
}

/** Whether a value is a path or an operator, as `groupBy` must be. */
const isExpression = (value: unknown): boolean =>
  isDocument(value) ? Object.keys(value)[0]?.startsWith('$') === true : typeof value === 'string' && /^\$./.test(value);

/** The value of an expression that reads no field. */
function constantOf(value: unknown, code: number, context: StageContext): unknown {
  if (readsDocument(value)) fail(`Location${code}`, 'The boundaries and the default of $bucket must be constant');
  return compile(value, context.expressions)(scopeOf({}));
}

function readsDocument(expression: unknown): boolean {
  if (typeof expression === 'string') return /^\$(?!\$(?!ROOT|CURRENT))/.test(expression);
  if (Array.isArray(expression)) return expression.some(readsDocument);
  if (!isDocument(expression) || Object.hasOwn(expression, '$literal')) return false;
  return Object.values(expression).some(readsDocument);
}

const compileBucket: StageCompiler = (specification, context) => {
  const options = readParameters('$bucket', specification, {
    required: ['groupBy', 'boundaries'],
    optional: ['default', 'output'],
  });
  if (!isExpression(options.groupBy))
    return fail('Location40202', "The $bucket 'groupBy' field must be defined as a $-prefixed path or an expression");
  if (!Array.isArray(options.boundaries)) return fail('Location40200', 'The $bucket boundaries field must be an array');
  const boundaries = options.boundaries.map((boundary) => constantOf(boundary, 40191, context));
  if (boundaries.length < 2) return fail('Location40192', 'The $bucket boundaries field must have at least 2 values');
  ensureAscending(boundaries, context);
  const hasDefault = 'default' in options;
  const otherwise = hasDefault ? constantOf(options.default, 40195, context) : undefined;
  ensureOutside(otherwise, boundaries, context);
  const groupBy = compile(options.groupBy, context.expressions);
  const fields = outputFields(options.output, 40196, context);
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

/** A default among the boundaries would be another bucket. */
function ensureOutside(otherwise: unknown, boundaries: readonly unknown[], { collation }: StageContext): void {
  const isInside =
    rankOf(otherwise) === rankOf(boundaries[0]) &&
    compareValues(otherwise, boundaries[0], collation) >= 0 &&
    compareValues(otherwise, boundaries.at(-1), collation) < 0;
  if (isInside) {
    fail(
      'Location40199',
      "The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the highest boundary.",
    );
  }
}

const compileBucketAuto: StageCompiler = (specification, context) => {
  const options = readParameters('$bucketAuto', specification, {
    required: ['groupBy', 'buckets'],
    optional: ['output', 'granularity'],
  });
  if (options.granularity !== undefined)
    return fail('CommandNotSupported', "$bucketAuto's granularity is not supported by this database");
  if (!isExpression(options.groupBy))
    return fail(
      'Location40239',
      "The $bucketAuto 'groupBy' field must be defined as a $-prefixed path or an expression",
    );
  const count = bucketCount(options.buckets);
  const groupBy = compile(options.groupBy, context.expressions);
  const fields = outputFields(options.output, 40244, context);
  return function* runBucketAuto(input) {
    const entries = collect(input).map((document) => {
      const scope = scopeOf(document);
      return { scope, value: groupBy(scope) ?? null };
    });
    entries.sort((a, b) => compareValues(a.value, b.value, context.collation));
    const wanted = Math.max(Math.round(entries.length / count), 1);
    let start = 0;
    for (let bucket = 0; bucket < count && start < entries.length; bucket += 1) {
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

function bucketCount(buckets: unknown): number {
  if (!isNumeric(buckets)) return fail('Location40241', "The $bucketAuto 'buckets' field must be a numeric value");
  const count = toNumber(buckets);
  if (!isInt32(count + 0)) return fail('Location40242', "The $bucketAuto 'buckets' field must be a 32-bit integer");
  return count > 0 ? count : fail('Location40243', "The $bucketAuto 'buckets' field must be greater than 0");
}

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
