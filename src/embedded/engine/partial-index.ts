import { toKeyString } from '../bson/key-string.js';
import { rankOf } from '../bson/order.js';
import { toPath } from '../bson/path.js';
import { type Document, isDocument, typeOf } from '../bson/values.js';
import type { FieldPredicate, Matcher } from '../query/match.js';

/** Whether every document the query matches is in an index with this filter; "no" is always a safe answer. */
export const isImplied = (filter: Document, { predicates }: Matcher): boolean =>
  Object.entries(filter).every(([path, condition]) => {
    if (path === '$and')
      return Array.isArray(condition) && condition.every((part) => isImplied(part, { predicates } as Matcher));
    if (path.startsWith('$')) return false;
    return requirementsOf(path, condition).every((required) =>
      predicates.some((given) => given.path === path && implies(given, required)),
    );
  });

/** The top-level fields that decide whether a document matches; undefined when that cannot be told. */
export const decidingFields = (filter: Document): readonly string[] | undefined => {
  const fields: string[] = [];
  for (const [path, condition] of Object.entries(filter)) {
    const parts = path === '$and' || path === '$or' ? condition : undefined;
    if (!Array.isArray(parts)) {
      if (path.startsWith('$')) return undefined;
      fields.push(toPath(path)[0] ?? '');
      continue;
    }
    for (const part of parts) {
      const decided = decidingFields(part as Document);
      if (!decided) return undefined;
      fields.push(...decided);
    }
  }
  return fields;
};

const requirementsOf = (path: string, condition: unknown): FieldPredicate[] => {
  const isOperators = isDocument(condition) && Object.keys(condition)[0]?.startsWith('$');
  if (!isOperators) return [{ path, op: '$eq', value: condition }];
  return Object.entries(condition as Document).map(([op, value]) => ({ path, op, value }));
};

const implies = (given: FieldPredicate, required: FieldPredicate): boolean => {
  // Through an array each predicate may be met by another element; a value that is one is left to a scan.
  if (given.op === '$in' && Array.isArray(given.value)) {
    const { path } = given;
    return given.value.length > 0 && given.value.every((value) => implies({ path, op: '$eq', value }, required));
  }
  const { op, value } = required;
  switch (op) {
    case '$exists':
      return isTruthy(value) ? isPresent(given) : given.op === '$exists' && !isTruthy(given.value);
    case '$eq':
      return given.op === '$eq' && isSameKey(given.value, value);
    case '$in':
      return given.op === '$eq' && Array.isArray(value) && value.some((one) => isSameKey(given.value, one));
    case '$type':
      return given.op === '$eq' && !Array.isArray(given.value) && typeOf(given.value) === value;
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return impliesRange(given, op, value);
    default:
      return false;
  }
};

const isTruthy = (value: unknown): boolean => value !== false && value !== 0 && value !== null;

const isSameKey = (left: unknown, right: unknown): boolean =>
  !Array.isArray(left) && !Array.isArray(right) && toKeyString(left) === toKeyString(right);

const COMPARISONS: ReadonlySet<string> = new Set(['$eq', '$gt', '$gte', '$lt', '$lte']);

const isPresent = ({ op, value }: FieldPredicate): boolean => {
  if (op === '$exists') return isTruthy(value);
  return op === '$regex' || op === '$type' || (COMPARISONS.has(op) && value !== null && value !== undefined);
};

const impliesRange = (given: FieldPredicate, op: '$gt' | '$gte' | '$lt' | '$lte', value: unknown): boolean => {
  if (!COMPARISONS.has(given.op) || rankOf(given.value) !== rankOf(value) || Array.isArray(given.value)) return false;
  const isLower = op === '$gt' || op === '$gte';
  const givenDirection = given.op === '$eq' ? op.slice(0, 3) : given.op.slice(0, 3);
  if (givenDirection !== (isLower ? '$gt' : '$lt')) return false;
  const givenKey = toKeyString(given.value);
  const requiredKey = toKeyString(value);
  if (givenKey === requiredKey) return op.endsWith('e') || !(given.op === '$eq' || given.op.endsWith('e'));
  return isLower ? givenKey > requiredKey : givenKey < requiredKey;
};
