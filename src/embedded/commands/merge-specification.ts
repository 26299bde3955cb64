import { type Document, fieldOf, isDocument, typeOf } from '../bson/values.js';
import { ensureKnownFields, fail } from '../errors.js';

/** A checked `$merge` stage. */
export interface MergeSpecification {
  /** A collection name or `{ db, coll }`. */
  readonly into: unknown;
  /** The fields that identify a document of the target. */
  readonly on: readonly string[];
  /** Variables for the pipeline, as expressions on the incoming document. */
  readonly variables: Document;
  /** What happens to a document of the target: a mode, or the stages of an update. */
  readonly whenMatched: 'merge' | 'replace' | 'keepExisting' | 'fail' | readonly Document[];
  readonly whenNotMatched: 'insert' | 'discard' | 'fail';
}

const FIELDS: ReadonlySet<string> = new Set([
  'into',
  'on',
  'let',
  'whenMatched',
  'whenNotMatched',
  'targetCollectionVersion',
]);
const MATCHED_MODES = ['merge', 'replace', 'keepExisting', 'fail'] as const;
const UNMATCHED_MODES = ['insert', 'discard', 'fail'] as const;
const INCOMING = { new: '$$ROOT' };

/** Checks a `$merge` stage. @throws DatabaseError with the code of MongoDB for the part that is invalid */
export function parseMerge(given: unknown): MergeSpecification {
  if (typeof given === 'string') return parseMerge({ into: given });
  if (!isDocument(given)) {
    return fail('TypeMismatch', `$merge requires a string or object argument, but found ${typeOf(given)}`);
  }
  ensureKnownFields(given, FIELDS, '$merge');
  const whenMatched = toWhenMatched(given['whenMatched']);
  const whenNotMatched = toWhenNotMatched(given['whenNotMatched']);
  if ((whenMatched === 'fail' || whenMatched === 'keepExisting') && whenNotMatched !== 'insert') {
    fail(
      'Location51181',
      `Combination of $merge modes 'whenMatched: ${whenMatched}' and 'whenNotMatched: ${whenNotMatched}' is not supported`,
    );
  }
  return {
    into: toInto(given['into']),
    on: toOn(fieldOf(given, 'on')),
    variables: toVariables(fieldOf(given, 'let'), whenMatched),
    whenMatched,
    whenNotMatched,
  };
}

function toInto(into: unknown): unknown {
  if (into === undefined) return fail('Location40414', "BSON field '$merge.into' is missing but a required field");
  return typeof into === 'string' || isDocument(into)
    ? into
    : fail('Location51178', `$merge 'into' field  must be either a string or an object, but found ${typeOf(into)}`);
}

function toOn(on: unknown): readonly string[] {
  if (on === undefined) return ['_id'];
  if (typeof on === 'string') return [on];
  if (!Array.isArray(on)) {
    return fail(
      'Location51186',
      `$merge 'on' field  must be either a string or an array of strings, but found ${typeOf(on)}`,
    );
  }
  if (on.length === 0) fail('Location51187', "If explicitly specifying $merge 'on', must include at least one field");
  const fields = on.map((field) =>
    typeof field === 'string'
      ? field
      : fail('Location51134', `$merge 'on' array elements must be strings, but found ${typeOf(field)}`),
  );
  const duplicate = fields.find((field, index) => fields.indexOf(field) !== index);
  return duplicate === undefined ? fields : fail('Location31465', `Found a duplicate field '${duplicate}'`);
}

function toWhenMatched(given: unknown): MergeSpecification['whenMatched'] {
  if (given === undefined) return 'merge';
  if (Array.isArray(given)) {
    return given.map((stage) =>
      isDocument(stage) ? stage : fail('TypeMismatch', "Each element of the 'pipeline' array must be an object"),
    );
  }
  if (typeof given !== 'string') {
    return fail(
      'Location51191',
      `$merge 'whenMatched' field  must be either a string or an array, but found ${typeOf(given)}`,
    );
  }
  return (
    MATCHED_MODES.find((mode) => mode === given) ??
    fail('BadValue', `Enumeration value '${given}' for field 'whenMatched' is not a valid value.`)
  );
}

function toWhenNotMatched(given: unknown): MergeSpecification['whenNotMatched'] {
  if (given === undefined) return 'insert';
  if (typeof given !== 'string') {
    return fail(
      'TypeMismatch',
      `BSON field '$merge.whenNotMatched' is the wrong type '${typeOf(given)}', expected type 'string'`,
    );
  }
  return (
    UNMATCHED_MODES.find((mode) => mode === given) ??
    fail('BadValue', `Enumeration value '${given}' for field '$merge.whenNotMatched' is not a valid value.`)
  );
}

function toVariables(given: unknown, whenMatched: MergeSpecification['whenMatched']): Document {
  if (given === undefined) return INCOMING;
  if (!isDocument(given)) {
    return fail('TypeMismatch', `BSON field '$merge.let' is the wrong type '${typeOf(given)}', expected type 'object'`);
  }
  if (typeof whenMatched === 'string') {
    fail('Location51199', `Cannot use 'let' variables with 'whenMatched: ${whenMatched}' mode`);
  }
  if ((fieldOf(given, 'new') ?? INCOMING.new) !== INCOMING.new) {
    fail('Location51273', "'let' may not define a value for the reserved 'new' variable other than '$$ROOT'");
  }
  return { ...given, ...INCOMING };
}
