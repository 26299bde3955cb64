import type { Collation } from '../../bson/collation.js';
import { toPath } from '../../bson/path.js';
import type { Document } from '../../bson/values.js';
import { fail } from '../../errors.js';
import { createDraft } from '../draft.js';
import { compileFilter, type Matcher } from '../filters/filter.js';
import { isRegExp } from '../regular-expression.js';

/**
 * The document an upsert starts from: the values that the filter requires fields to equal.
 * @param isReplacement - takes only `_id`
 * @throws DatabaseError NotSingleValueField when the filter has two values for a field, or for a field and one inside it,
 *   NotExactValueField when it has a value inside of `_id`
 */
export function seedFromFilter(
  filter: Document,
  { isReplacement, collation }: { isReplacement: boolean; collation?: Collation | undefined },
): Document {
  const equalities = collectEqualities(compileFilter(filter, { collation }));
  const inside = equalities.find(({ path }) => path.startsWith('_id.'));
  if (inside !== undefined) {
    fail('NotExactValueField', `field at '_id' must be exactly specified, field at sub-path '${inside.path}' found`);
  }
  const wanted = isReplacement ? equalities.filter(({ path }) => path === '_id') : equalities;
  ensureDistinct(wanted.map(({ path }) => path));
  const draft = createDraft({});
  for (const { path, value } of wanted) draft.set(toPath(path), value);
  return draft.document;
}

interface Equality {
  readonly path: string;
  readonly value: unknown;
}

function collectEqualities(matcher: Matcher): Equality[] {
  const equalities: Equality[] = [];
  for (const { path, op, value } of matcher.predicates) {
    if (op === '$eq') equalities.push({ path, value });
    else if (op === '$in' && Array.isArray(value) && value.length === 1 && !isRegExp(value[0])) {
      equalities.push({ path, value: value[0] });
    } else if (op === '$all' && Array.isArray(value)) {
      for (const element of value) if (!isRegExp(element)) equalities.push({ path, value: element });
    }
  }
  for (const [only, ...others] of matcher.disjunctions) {
    if (only !== undefined && others.length === 0) equalities.push(...collectEqualities(only));
  }
  return equalities;
}

function ensureDistinct(paths: readonly string[]): void {
  for (const [index, path] of paths.entries()) {
    for (const other of paths.slice(index + 1)) {
      if (path === other)
        fail('NotSingleValueField', `cannot infer query fields to set, path '${path}' is matched twice`);
      if (path.startsWith(`${other}.`) || other.startsWith(`${path}.`)) {
        const [outer, inner] = path.length < other.length ? [path, other] : [other, path];
        fail(
          'NotSingleValueField',
          `cannot infer query fields to set, both paths '${outer}' and '${inner}' are matched`,
        );
      }
    }
  }
}
