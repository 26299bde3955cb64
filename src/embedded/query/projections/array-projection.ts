import type { Collation } from '../../bson/collation.js';
import { toNumber } from '../../bson/numbers.js';
import type { Path } from '../../bson/path.js';
import { type Document, fieldOf, isDocument, isNumeric, setField } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { compileFilter, type Matcher } from '../filters/filter.js';

/** A part of a projection that changes an array after fields were included or excluded. */
export type Transform = (input: {
  /** The result of the projection so far; it is not modified. */
  readonly result: Document;
  readonly path: Path;
  /** The stored document. */
  readonly document: Document;
}) => Document;

/** Applies a function to the arrays at a path, through embedded documents and arrays of documents. */
function mapArrays(document: Document, path: Path, change: (array: unknown[]) => unknown[]): Document {
  const [key, ...rest] = path;
  if (key === undefined) return document;
  const value = fieldOf(document, key);
  const changed = mapValue(value, rest, change);
  if (changed === value) return document;
  const copy = { ...document };
  setField(copy, key, changed);
  return copy;
}

function mapValue(value: unknown, path: Path, change: (array: unknown[]) => unknown[]): unknown {
  if (path.length === 0) return Array.isArray(value) ? change(value) : value;
  if (isDocument(value)) return mapArrays(value, path, change);
  return Array.isArray(value) ? value.map((element) => mapValue(element, path, change)) : value;
}

/** Compiles `$slice` of a `find` projection: the first or last n elements, or n elements after some others. */
export function compileSlice(operand: unknown): Transform {
  const [first, second] = Array.isArray(operand) ? operand.map(sliceNumber) : [sliceNumber(operand)];
  if (first === undefined) return fail('Location28667', 'Invalid $slice syntax');
  if (Array.isArray(operand) && second === undefined) return fail('Location28667', 'Invalid $slice syntax');
  if (second !== undefined && second <= 0)
    return fail('Location28729', `First argument to $slice must be positive: ${second}`);
  const slice = (array: unknown[]): unknown[] => {
    if (second === undefined) return first < 0 ? array.slice(first) : array.slice(0, first);
    const start = first < 0 ? Math.max(array.length + first, 0) : first;
    return array.slice(start, start + second);
  };
  return ({ result, path }) => mapArrays(result, path, slice);
}

function sliceNumber(value: unknown): number {
  if (!isNumeric(value))
    return fail('Location28667', `Invalid $slice syntax. The given syntax did not match the find() syntax`);
  return Math.trunc(toNumber(value));
}

/** Compiles `$elemMatch` of a `find` projection: the first matching element, or no field. */
export function compileElemMatchProjection(
  operand: unknown,
  options: { collation?: Collation | undefined },
): Transform {
  if (!isDocument(operand))
    return fail('Location31274', `elemMatch: Invalid argument, object required, but got ${typeof operand}`);
  const { matches, positionOf } = compileFilter({ array: { $elemMatch: operand } }, options);
  return function projectElemMatch({ result, path, document }) {
    const [key] = path;
    if (key === undefined) return result;
    const array = fieldOf(document, key);
    const copy = { ...result };
    const holder = { array };
    if (Array.isArray(array) && matches(holder)) setField(copy, key, [array[positionOf(holder) ?? 0]]);
    else delete copy[key];
    return copy;
  };
}

/** Compiles the positional `$`: only the array element that the filter matched. */
export function compilePositional(matcher: Matcher | undefined): Transform {
  return function projectPositional({ result, path, document }) {
    const position = matcher?.positionOf(document);
    return mapArrays(result, path, (array) => {
      if (position === undefined || position >= array.length) {
        return fail(
          'Location51246',
          "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array",
        );
      }
      return [array[position]];
    });
  };
}
