import { toNumber } from '../../../bson/numbers.js';
import { compareValues } from '../../../bson/order.js';
import { type Document, isDocument, isInt32, isNumeric, typeOf } from '../../../bson/values.js';
import { fail } from '../../../errors.js';
import { compile, scopeOf } from '../../expressions/compiler.js';
import {
  addMonths,
  type FixedUnit,
  isFixedUnit,
  isMonthUnit,
  type MonthUnit,
  UNIT_MONTHS,
  UNIT_MS,
} from '../../expressions/operators/calendar.js';
import type { StageContext } from '../stage-context.js';

/** The half-open range of positions in the window of the document at a position of its sorted partition. */
export type WindowBounds = (documents: readonly Document[], index: number) => readonly [number, number];

/** What the functions of a `$setWindowFields` stage depend on. */
export interface WindowContext {
  readonly stage: StageContext;
  readonly sortBy: Document | undefined;
}

type Bound = 'unbounded' | 'current' | number;

const everything: WindowBounds = (documents) => [0, documents.length];

/** Compiles the `window` of an output field. */
export function compileWindow(window: unknown, context: WindowContext): WindowBounds {
  if (window === undefined) return everything;
  if (!isDocument(window)) return fail('FailedToParse', "'window' field must be an object");
  const { documents, range, unit, ...others } = window;
  const [other] = Object.keys(others);
  if (other !== undefined) return fail('FailedToParse', `'window' field cannot contain '${other}'`);
  if (documents !== undefined && range !== undefined)
    return fail('FailedToParse', "Window bounds can specify either 'documents' or 'unit', not both.");
  if (unit !== undefined && range === undefined)
    return fail('FailedToParse', "Window bounds can only specify 'unit' with range-based bounds.");
  if (documents !== undefined) return compileDocumentWindow(documents, context);
  return range === undefined ? everything : compileRangeWindow(range, unit, context);
}

function readBounds(bounds: unknown, isInteger: boolean, { stage }: WindowContext): readonly [Bound, Bound] {
  if (!Array.isArray(bounds) || bounds.length !== 2)
    return fail('FailedToParse', 'Window bounds must be a 2-element array');
  const [lower, upper] = bounds.map((bound): Bound => {
    if (bound === 'unbounded' || bound === 'current') return bound;
    const value = compile(bound, stage.expressions)(scopeOf({}));
    if (!isNumeric(value)) return fail('FailedToParse', "Window bounds must be 'unbounded', 'current', or a number.");
    const number = toNumber(value) + 0;
    return isInteger && !isInt32(number) ? fail('FailedToParse', 'Window bounds must be an integer') : number;
  }) as [Bound, Bound];
  const [from, to] = [lower, upper].map((bound) => (bound === 'current' ? 0 : bound));
  if (typeof from === 'number' && typeof to === 'number' && from > to)
    return fail('Location5339900', `Lower bound must not exceed upper bound: [${from}, ${to}]`);
  return [lower, upper];
}

function compileDocumentWindow(specification: unknown, context: WindowContext): WindowBounds {
  const [lower, upper] = readBounds(specification, true, context);
  if (context.sortBy === undefined && (lower !== 'unbounded' || upper !== 'unbounded'))
    return fail('Location5339901', 'Document-based bounds require a sortBy');
  const at = (bound: Bound, index: number, unbounded: number): number =>
    bound === 'unbounded' ? unbounded : bound === 'current' ? index : index + bound;
  return (documents, index) => [
    Math.max(at(lower, index, 0), 0),
    Math.min(at(upper, index, documents.length - 1) + 1, documents.length),
  ];
}

function compileRangeWindow(specification: unknown, unit: unknown, context: WindowContext): WindowBounds {
  const by = unit === undefined ? undefined : unitOf(unit);
  const [lower, upper] = readBounds(specification, by !== undefined, context);
  const [[field, direction] = [], ...others] = Object.entries(context.sortBy ?? {});
  if (field === undefined || others.length > 0)
    return fail('Location5339902', 'Range-based bounds require sortBy a single field');
  if (!isNumeric(direction) || toNumber(direction) < 0)
    return fail('Location8947401', 'Range-based bounds require an ascending sortBy');
  const keyOf = compile(`$${field}`, context.stage.expressions);
  return function rangeAt(documents, index) {
    const valueAt = (position: number): unknown => keyOf(scopeOf(documents[position]));
    const value = valueAt(index);
    ensureRangeValue(value, by);
    let start = lower === 'current' ? index : 0;
    if (typeof lower === 'number') {
      const from = moved(value, lower, by);
      while (start < documents.length && compareValues(valueAt(start), from) < 0) start += 1;
    }
    if (upper === 'unbounded') return [start, documents.length];
    if (upper === 'current') return [start, index + 1];
    const to = moved(value, upper, by);
    let end = start;
    while (end < documents.length && compareValues(valueAt(end), to) <= 0) end += 1;
    return [start, end];
  };
}

function unitOf(unit: unknown): FixedUnit | MonthUnit {
  if (typeof unit !== 'string') return fail('FailedToParse', "'unit' must be a string");
  return isFixedUnit(unit) || isMonthUnit(unit) ? unit : fail('FailedToParse', `unknown time unit value: ${unit}`);
}

function ensureRangeValue(value: unknown, unit: FixedUnit | MonthUnit | undefined): void {
  const type = typeOf(value);
  if (unit !== undefined) {
    if (type !== 'date')
      fail('Location5429513', `Invalid range: Expected the sortBy field to be a Date, but it was ${type}`);
  } else if (type === 'date') {
    fail('Location5429413', 'Invalid range: For windows that involve date or time ranges, a unit must be provided.');
  } else if (!isNumeric(value)) {
    fail('Location5429414', `Invalid range: Expected the sortBy field to be a number, but it was ${type}`);
  }
}

function moved(value: unknown, by: number, unit: FixedUnit | MonthUnit | undefined): unknown {
  if (!(value instanceof Date)) return isNumeric(value) ? toNumber(value) + by : value;
  if (unit === undefined) return value;
  return new Date(isMonthUnit(unit) ? addMonths(value, by * UNIT_MONTHS[unit]) : value.getTime() + by * UNIT_MS[unit]);
}
