import { toKeyString } from '../../../bson/key-string.js';
import { integerOf } from '../../../bson/numbers.js';
import { type Document, isDocument } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, type Evaluate, scopeOf } from '../../expressions/compiler.js';
import { compileGroupAccumulator } from '../../expressions/group-accumulators.js';
import { readParameters } from '../../expressions/operators/define.js';
import { compileSortOrder, parseSort, type SortOrder, sortDocuments } from '../../sort.js';
import { collect, type StageCompiler, type StageContext, type StageEntry } from '../stage-context.js';
import { compileFieldTree } from './fields.js';
import { compileWindow, type WindowContext } from './window-bounds.js';

/** The sorted documents of one partition. */
interface Partition {
  readonly documents: readonly Document[];
  /** Computed once, when a function asks for them. */
  ranks(): Ranks;
}

/** The ranks of the documents of a partition. Documents that are equal in the sort order share one. */
interface Ranks {
  /** A rank counts the documents before it. */
  readonly counting: readonly number[];
  /** A rank counts the ranks before it. */
  readonly dense: readonly number[];
}

/** Computes an output field of the document at a position. */
type WindowFunction = (partition: Partition, index: number) => unknown;

const compileWindowStage: StageCompiler = (specification, stage) => {
  const given = readParameters('$setWindowFields', specification, {
    required: ['output'],
    optional: ['partitionBy', 'sortBy'],
  });
  if (!isDocument(given.output)) return fail('TypeMismatch', "$setWindowFields requires 'output' to be an object");
  if (given.sortBy !== undefined && !isDocument(given.sortBy))
    return fail('TypeMismatch', "$setWindowFields requires 'sortBy' to be an object");
  ensureNoConflicts(Object.keys(given.output));
  const sortBy = given.sortBy;
  const partitionBy = compile(given.partitionBy ?? null, stage.expressions);
  const outputs = Object.entries(given.output).map(
    ([path, output]) => [path, compileOutput(path, output, { stage, sortBy })] as const,
  );
  const order = compileSortOrder(parseSort(sortBy ?? {}), stage.collation);
  return function* runSetWindowFields(input) {
    for (const unsorted of partitions(collect(input), partitionBy, stage)) {
      const documents = sortBy === undefined ? unsorted : sortDocuments(unsorted, sortBy, stage.collation);
      let ranks: Ranks | undefined;
      const partition: Partition = {
        documents,
        ranks: () => {
          ranks ??= ranksOf(documents, order);
          return ranks;
        },
      };
      for (const [index, document] of documents.entries()) {
        yield outputs.reduce((result, [path, output]) => {
          const value = output(partition, index);
          return compileFieldTree({ [path]: { $literal: value ?? null } }, stage)(result);
        }, document);
      }
    }
  };
};

function ensureNoConflicts(paths: readonly string[]): void {
  for (const path of paths) {
    if (paths.some((other) => other.startsWith(`${path}.`))) {
      fail('Location6307900', `specification contains two conflicting paths: '${path}' and a part of it`);
    }
  }
}

function partitions(documents: readonly Document[], partitionBy: Evaluate, { collation }: StageContext): Document[][] {
  const byKey = new Map<string, { key: string; documents: Document[] }>();
  for (const document of documents) {
    const key = toKeyString(partitionBy(scopeOf(document)) ?? null, collation);
    const partition = byKey.get(key);
    if (partition === undefined) byKey.set(key, { key, documents: [document] });
    else partition.documents.push(document);
  }
  return [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1)).map((partition) => partition.documents);
}

function compileOutput(path: string, output: unknown, context: WindowContext): WindowFunction {
  if (!isDocument(output)) return fail('FailedToParse', `The field '${path}' must be an object`);
  const { window, ...rest } = output;
  const [name, other] = Object.keys(rest);
  if (name?.startsWith('$') !== true)
    return fail('FailedToParse', `Expected a $-prefixed window function, ${name ?? ''}`);
  const positional = POSITION_FUNCTIONS.get(name);
  if (positional !== undefined) {
    if (window !== undefined) {
      const isRank = name !== '$shift' && name !== '$locf';
      return fail(isRank ? 'Location5371601' : 'FailedToParse', `${name} does not accept a 'window' field`);
    }
    return positional(rest[name], context);
  }
  if (UNSUPPORTED.has(name))
    return fail('CommandNotSupported', `the window function ${name} is not supported by this database`);
  if (!WINDOW_ACCUMULATORS.has(name)) return fail('FailedToParse', `Unrecognized window function, ${name}`);
  if (other !== undefined) return fail('FailedToParse', `Window function ${name} found an unknown argument: ${other}`);
  const create = compileGroupAccumulator(path, rest, context.stage.expressions);
  const boundsOf = compileWindow(window, context);
  let last: { documents: readonly Document[]; start: number; end: number; result: unknown } | undefined;
  return function evaluateOutput(partition, index) {
    const { documents } = partition;
    const [start, end] = boundsOf(documents, index);
    // Documents with the same window, as with one over the whole partition, have the same result.
    if (last?.documents !== documents || last.start !== start || last.end !== end) {
      const accumulator = create();
      for (let position = start; position < end; position += 1) accumulator.add(scopeOf(documents[position]));
      last = { documents, start, end, result: accumulator.result() };
    }
    return last.result;
  };
}

const UNSUPPORTED: ReadonlySet<string> = new Set([
  '$derivative',
  '$integral',
  '$expMovingAvg',
  '$linearFill',
  '$covariancePop',
  '$covarianceSamp',
  '$minMaxScaler',
]);

/** The accumulators that work on a window. */
const WINDOW_ACCUMULATORS: ReadonlySet<string> = new Set([
  '$addToSet',
  '$avg',
  '$bottom',
  '$bottomN',
  '$concatArrays',
  '$count',
  '$first',
  '$firstN',
  '$last',
  '$lastN',
  '$max',
  '$maxN',
  '$median',
  '$min',
  '$minN',
  '$percentile',
  '$push',
  '$setUnion',
  '$stdDevPop',
  '$stdDevSamp',
  '$sum',
  '$top',
  '$topN',
]);

function ranksOf(documents: readonly Document[], { keysOf, compare }: SortOrder): Ranks {
  const counting: number[] = [];
  const dense: number[] = [];
  let before: readonly unknown[] | undefined;
  for (const [index, document] of documents.entries()) {
    const keys = keysOf(document);
    const isTie = before !== undefined && compare(before, keys) === 0;
    counting.push(isTie ? (counting.at(-1) ?? 1) : index + 1);
    dense.push((dense.at(-1) ?? 0) + (isTie ? 0 : 1));
    before = keys;
  }
  return { counting, dense };
}

/** A function of the position, which has a sort and no argument. */
const defineRank = (
  name: string,
  rankAt: WindowFunction,
): [string, (operand: unknown, context: WindowContext) => WindowFunction] => [
  name,
  (operand, { sortBy }) => {
    if (!isDocument(operand) || Object.keys(operand).length > 0)
      fail('Location5371603', `${name} must be specified with '{}' as the value`);
    if (sortBy === undefined) fail('Location5371602', `${name} must be specified with a top level sortBy expression`);
    return rankAt;
  },
];

function compileShift(operand: unknown, context: WindowContext): WindowFunction {
  if (context.sortBy === undefined) return fail('FailedToParse', "'$shift' requires a sortBy");
  const { output, by, ...rest } = readParameters('$shift', operand, {
    required: ['output', 'by'],
    optional: ['default'],
  });
  const evaluate = compile(output, context.stage.expressions);
  const otherwise = compile(rest.default ?? null, context.stage.expressions)(scopeOf({}));
  const distance = integerOf(by) ?? fail('FailedToParse', "'$shift:by' field must be an integer");
  return function shiftedValue({ documents }, index) {
    const document = documents[index + distance];
    return document === undefined ? otherwise : evaluate(scopeOf(document));
  };
}

function compileLastKnown(operand: unknown, { stage }: WindowContext): WindowFunction {
  const evaluate = compile(operand, stage.expressions);
  return function lastKnownValue({ documents }, index) {
    for (let position = index; position >= 0; position -= 1) {
      const value = evaluate(scopeOf(documents[position]));
      if (value !== null && value !== undefined) return value;
    }
    return null;
  };
}

const POSITION_FUNCTIONS: ReadonlyMap<string, (operand: unknown, context: WindowContext) => WindowFunction> = new Map([
  defineRank('$rank', ({ ranks }, index) => ranks().counting[index]),
  defineRank('$denseRank', ({ ranks }, index) => ranks().dense[index]),
  defineRank('$documentNumber', (_partition, index) => index + 1),
  ['$shift', compileShift],
  ['$locf', compileLastKnown],
]);

/** `$setWindowFields`. */
export const windowStages: readonly StageEntry[] = [['$setWindowFields', compileWindowStage]];
