import { toKeyString } from '../../../bson/key-string.js';
import { toNumber } from '../../../bson/numbers.js';
import { compareValues } from '../../../bson/order.js';
import { type Document, isDocument, isNumeric } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, type Evaluate, scopeOf } from '../../expressions/compiler.js';
import { compileGroupAccumulator } from '../../expressions/group-accumulators.js';
import { addMonths, isFixedUnit, isMonthUnit, UNIT_MONTHS, UNIT_MS } from '../../expressions/operators/calendar.js';
import { readParameters } from '../../expressions/operators/define.js';
import { compileSort, sortDocuments } from '../../sort.js';
import { collect, type StageCompiler, type StageContext, type StageEntry } from '../stage-context.js';
import { compileFieldTree } from './fields.js';

/** The sorted documents of one partition. */
interface Partition {
  readonly documents: readonly Document[];
  /** Whether the documents at two positions are equal in the sort order. */
  readonly isTie: (left: number, right: number) => boolean;
}

/** Computes an output field of the document at a position. */
type WindowFunction = (partition: Partition, index: number) => unknown;

interface WindowContext {
  readonly stage: StageContext;
  readonly sortBy: Document | undefined;
}

type Bound = 'unbounded' | 'current' | number;

const compileWindowStage: StageCompiler = (specification, stage) => {
  const given = readParameters('$setWindowFields', specification, {
    required: ['output'],
    optional: ['partitionBy', 'sortBy'],
  });
  if (!isDocument(given.output)) return fail('FailedToParse', "$setWindowFields requires 'output' to be an object");
  if (given.sortBy !== undefined && !isDocument(given.sortBy))
    return fail('FailedToParse', "$setWindowFields requires 'sortBy' to be an object");
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
  const [name] = Object.keys(rest);
  if (name === undefined || Object.keys(rest).length > 1)
    return fail('FailedToParse', `The field '${path}' must specify one window function`);
  const positional = POSITION_FUNCTIONS.get(name);
  if (positional !== undefined) {
    if (window !== undefined) return fail('FailedToParse', `${name} does not accept a 'window' field`);
    return positional(rest[name], context);
  }
  if (UNSUPPORTED.has(name))
    return fail('CommandNotSupported', `the window function ${name} is not supported by this database`);
  const create = compileGroupAccumulator(path, rest, context.stage.expressions);
  const boundsOf = compileWindow(window, context);
  return function evaluateOutput(partition, index) {
    const [start, end] = boundsOf(partition, index);
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

/** The half-open range of positions in the window of a document. */
type WindowBounds = (partition: Partition, index: number) => readonly [number, number];

function compileWindow(window: unknown, context: WindowContext): WindowBounds {
  if (window === undefined) return ({ documents }) => [0, documents.length];
  if (!isDocument(window)) return fail('FailedToParse', "'window' field must be an object");
  if (window['documents'] !== undefined) return compileDocumentWindow(window['documents']);
  if (window['range'] !== undefined) return compileRangeWindow(window['range'], window['unit'], context);
  return ({ documents }) => [0, documents.length];
}

function readBounds(bounds: unknown): readonly [Bound, Bound] {
  if (!Array.isArray(bounds) || bounds.length !== 2)
    return fail('FailedToParse', 'Window bounds must be a 2-element array');
  const [lower, upper] = bounds.map((bound): Bound => {
    if (bound === 'unbounded' || bound === 'current') return bound;
    return isNumeric(bound)
      ? toNumber(bound)
      : fail('FailedToParse', "Window bounds must be 'unbounded', 'current', or a number");
  });
  return [lower as Bound, upper as Bound];
}

function compileDocumentWindow(specification: unknown): WindowBounds {
  const [lower, upper] = readBounds(specification);
  const at = (bound: Bound, index: number, unbounded: number): number =>
    bound === 'unbounded' ? unbounded : bound === 'current' ? index : index + bound;
  return ({ documents }, index) => [
    Math.max(at(lower, index, 0), 0),
    Math.min(at(upper, index, documents.length - 1) + 1, documents.length),
  ];
}

function compileRangeWindow(specification: unknown, unit: unknown, { sortBy, stage }: WindowContext): WindowBounds {
  const [lower, upper] = readBounds(specification);
  const [field, ...others] = Object.keys(sortBy ?? {});
  if (field === undefined || others.length > 0)
    return fail('Location5339902', 'Range-based bounds require sortBy a single field');
  const keyOf = compile(`$${field}`, stage.expressions);
  return function rangeAt({ documents }, index) {
    const valueAt = (position: number): unknown => keyOf(scopeOf(documents[position]));
    const value = valueAt(index);
    const [from, to] = [moved(value, lower, unit), moved(value, upper, unit)];
    let start = 0;
    while (start < documents.length && lower !== 'unbounded' && compareValues(valueAt(start), from) < 0) start += 1;
    let end = start;
    while (end < documents.length && (upper === 'unbounded' || compareValues(valueAt(end), to) <= 0)) end += 1;
    return [start, end];
  };
}

function moved(value: unknown, bound: Bound, unit: unknown): unknown {
  if (typeof bound === 'string') return value;
  if (value instanceof Date) {
    if (typeof unit === 'string' && isMonthUnit(unit)) return new Date(addMonths(value, bound * UNIT_MONTHS[unit]));
    if (typeof unit === 'string' && isFixedUnit(unit)) return new Date(value.getTime() + bound * UNIT_MS[unit]);
    return fail('Location5429513', 'A range window over dates needs a unit');
  }
  return isNumeric(value) ? toNumber(value) + bound : fail('Location5429414', 'A range window needs numbers or dates');
}

function ensureSorted(name: string, { sortBy }: WindowContext): void {
  if (sortBy === undefined) fail('Location5371602', `${name} must be specified with a top level sortBy expression`);
}

function firstTie({ isTie }: Partition, index: number): number {
  let first = index;
  while (first > 0 && isTie(first - 1, index)) first -= 1;
  return first;
}

function compileShift(operand: unknown, context: WindowContext): WindowFunction {
  ensureSorted('$shift', context);
  const { output, by, ...rest } = readParameters('$shift', operand, {
    required: ['output', 'by'],
    optional: ['default'],
  });
  const evaluate = compile(output, context.stage.expressions);
  const otherwise = compile(rest.default ?? null, context.stage.expressions)(scopeOf({}));
  const distance = isNumeric(by) ? toNumber(by) : fail('FailedToParse', "'$shift:by' field must be an integer");
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
    (_operand: unknown, context: WindowContext): WindowFunction => {
      ensureSorted('$rank', context);
      return (partition, index) => firstTie(partition, index) + 1;
    },
  ],
  [
    '$denseRank',
    (_operand: unknown, context: WindowContext): WindowFunction => {
      ensureSorted('$denseRank', context);
      return function denseRank({ isTie }, index) {
        let rank = 1;
        for (let position = 1; position <= index; position += 1) if (!isTie(position - 1, position)) rank += 1;
        return rank;
      };
    },
  ],
  [
    '$documentNumber',
    (_operand: unknown, context: WindowContext): WindowFunction => {
      ensureSorted('$documentNumber', context);
      return (_partition, index) => index + 1;
    },
  ],
  ['$shift', compileShift],
  ['$locf', compileLastKnown],
]);

/** `$setWindowFields`. */
export const windowStages: readonly StageEntry[] = [['$setWindowFields', compileWindowStage]];
