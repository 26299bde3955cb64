import { fail } from '../../errors.js';

/**
 * Checks the paths in the text of an update: no path equals or contains another, and no array is addressed both by `$[]`
 * or `$[identifier]` and in another way.
 * @throws DatabaseError ConflictingUpdateOperators
 */
export function ensureNoConflicts(paths: readonly (readonly string[])[]): void {
  const conflict = findConflict(paths);
  if (conflict === undefined) return;
  const { path, at } = conflict;
  fail('ConflictingUpdateOperators', `Updating the path '${path}' would create a conflict at '${at}'`);
}

/**
 * Checks the expanded paths in one document, where two array operators can select the same element.
 * @throws DatabaseError ConflictingUpdateOperators
 */
export function ensureDisjoint(paths: readonly (readonly string[])[]): void {
  const conflict = findConflict(paths);
  if (conflict !== undefined) fail('ConflictingUpdateOperators', `Update created a conflict at '${conflict.at}'`);
}

interface Conflict {
  readonly path: string;
  readonly at: string;
}

/** What an update writes below a path: nothing, because it writes the path; array elements; or fields and positions. */
type Below = 'nothing' | 'elements' | 'names';

function findConflict(paths: readonly (readonly string[])[]): Conflict | undefined {
  const known = new Map<string, Below>();
  for (const names of paths) {
    let at = '';
    for (const [index, name] of names.entries()) {
      at = index === 0 ? name : `${at}.${name}`;
      const next = names[index + 1];
      const below = next === undefined ? 'nothing' : next.startsWith('$[') ? 'elements' : 'names';
      const before = known.get(at);
      if (before !== undefined && (before !== below || below === 'nothing')) return { path: names.join('.'), at };
      known.set(at, below);
    }
  }
  return undefined;
}
