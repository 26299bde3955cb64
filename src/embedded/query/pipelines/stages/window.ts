import { toKeyString } from '../../../bson/key-string.js';
import { integerOf } from '../../../bson/numbers.js';
import { type Document, isDocument } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, type Evaluate, scopeOf } from '../../expressions/compiler.js';
import { compileGroupAccumulator } from '../../expressions/group-accumulators.js';
import { readParameters } from '../../expressions/operators/define.js';
import { compileSort, sortDocuments } from '../../sort.js';
import { collect, type StageCompiler, type StageContext, type StageEntry } from '../stage-context.js';
import { compileFieldTree } from './fields.js';
import { compileWindow, type WindowContext } from './window-bounds.js';

/** The sorted documents of one partition. */
interface Partition {
  readonly documents: readonly Document[];
  /** Whether the documents at two positions are equal in the sort order. */
  readonly isTie: (left: number, right: number) => boolean;
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
  const compare = sortBy === undefined ? () => 0 : compileSort(sortBy, stage.collation);
  return function* runSetWindowFields(input) {
    for (const unsorted of partitions(collect(input), partitionBy, stage)) {
      const documents = sortBy === undefined ? unsorted : sortDocuments(unsorted, sortBy, stage.collation);
      const isTie = (left: number, right: number): boolean =>
        compare(documents[left] as Document, documents[right] as Document) === 0;
      for (const [index, document] of documents.entries()) {
        yield outputs.reduce((result, [path, output]) => {
          const value = output({ documents, isTie }, index);
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
  return function evaluateOutput(partition, index) {
    const [start, end] = boundsOf(partition.documents, index);
    const accumulator = create();
    for (let position = start; position < end; position += 1) accumulator.add(scopeOf(partition.documents[position]));
    return accumulator.result();
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

/** Checks that a function of the position has a sort and no argument. */
function ensureRank(name: string, operand: unknown, { sortBy }: WindowContext): void {
  if (!isDocument(operand) || Object.keys(operand).length > 0)
    fail('Location5371603', `${name} must be specified with '{}' as the value`);
  if (sortBy === undefined) fail('Location5371602', `${name} must be specified with a top level sortBy expression`);
}

function firstTie({ isTie }: Partition, index: number): number {
  let first = index;
  while (first > 0 && isTie(first - 1, index)) first -= 1;
  return first;
}

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
  [
    '$rank',
    (operand: unknown, context: WindowContext): WindowFunction => {
      ensureRank('$rank', operand, context);
      return (partition, index) => firstTie(partition, index) + 1;
    },
  ],
  [
    '$denseRank',
    (operand: unknown, context: WindowContext): WindowFunction => {
      ensureRank('$denseRank', operand, context);
      return function denseRank({ isTie }, index) {
        let rank = 1;
        for (let position = 1; position <= index; position += 1) if (!isTie(position - 1, position)) rank += 1;
        return rank;
      };
    },
  ],
  [
    '$documentNumber',
    (operand: unknown, context: WindowContext): WindowFunction => {
      ensureRank('$documentNumber', operand, context);
      return (_partition, index) => index + 1;
    },
  ],
  ['$shift', compileShift],
  ['$locf', compileLastKnown],
]);

/** `$setWindowFields`. */
export const windowStages: readonly StageEntry[] = [['$setWindowFields', compileWindowStage]];
