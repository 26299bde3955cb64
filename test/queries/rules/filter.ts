/** What one operator asks of one path. */
export interface Predicate {
  readonly path: string;
  /** Plain equality is `$eq`, a regular expression is `$regex`. */
  readonly op: string;
  readonly value: unknown;
  /** Predicates with the same group are about one element of an array (`$elemMatch`). */
  readonly group: number | undefined;
}

/** A filter as MongoDB's planner sees it: predicates that all hold, and disjunctions that all hold. */
export interface Conjunction {
  readonly predicates: readonly Predicate[];
  readonly disjunctions: readonly (readonly Conjunction[])[];
}

export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is an object with fields, and not one of BSON's types. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Date) &&
  !(value instanceof RegExp) &&
  !(value instanceof Map) &&
  !('_bsontype' in value) &&
  !ArrayBuffer.isView(value);

const isOperators = (value: unknown): value is Fields =>
  isFields(value) && Object.keys(value).some((key) => key.startsWith('$'));

let lastGroup = 0;

/** Takes a filter apart as MongoDB does: `$and` is flat, `$all` is an equality for each value. */
export function parseFilter(filter: Fields, prefix = '', group?: number): Conjunction {
  const predicates: Predicate[] = [];
  const disjunctions: (readonly Conjunction[])[] = [];
  for (const [key, value] of Object.entries(filter)) {
    if (key === '$and') {
      for (const part of value as Fields[]) {
        const parsed = parseFilter(part, prefix, group);
        predicates.push(...parsed.predicates);
        disjunctions.push(...parsed.disjunctions);
      }
    } else if (key === '$or') {
      disjunctions.push((value as Fields[]).map((branch) => parseFilter(branch, prefix, group)));
    } else if (key.startsWith('$')) {
      // `$nor`, `$expr`: they are applied to what is found.
      predicates.push({ path: '', op: key, value, group });
    } else {
      predicates.push(...parseField(prefix + key, value, group));
    }
  }
  return { predicates, disjunctions };
}

function parseField(path: string, value: unknown, group: number | undefined): Predicate[] {
  if (value instanceof RegExp) return [{ path, op: '$regex', value, group }];
  if (!isOperators(value)) return [{ path, op: '$eq', value, group }];
  return Object.entries(value).flatMap(([op, operand]): Predicate[] => {
    if (op === '$all') return (operand as unknown[]).flatMap((member) => parseField(path, member, group));
    if (op !== '$elemMatch') return [{ path, op, value: operand, group }];
    lastGroup += 1;
    const own = lastGroup;
    const found: Predicate[] = [{ path, op, value: operand, group }];
    if (isOperators(operand)) return [...found, ...parseField(path, operand, own)];
    return [...found, ...parseFilter(operand as Fields, `${path}.`, own).predicates];
  });
}
