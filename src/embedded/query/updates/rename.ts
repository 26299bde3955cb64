import { describe } from '../../bson/describe.js';
import { fail } from '../../errors.js';
import type { Modifier } from './modifier.js';
import { parseUpdatePath, type UpdatePath } from './update-path.js';

/** A compiled `$rename`: the target path and the source path. */
export interface Rename {
  readonly path: UpdatePath;
  readonly from: UpdatePath;
  readonly modifier: Modifier;
}

const NO_FILTERS = new Map<string, never>();

/** The update moves the value itself, because a rename changes two fields. */
const NOTHING: Modifier = { creates: false, change: (value) => value };

/**
 * Compiles `$rename`.
 * @throws DatabaseError BadValue unless the target is a plain path apart from the source
 */
export function compileRename(from: UpdatePath, target: unknown): Rename {
  if (typeof target !== 'string') {
    return fail('BadValue', `The 'to' field for $rename must be a string: ${from.text}: ${describe(target)}`);
  }
  if (target.includes('\u0000'))
    return fail('BadValue', "The 'to' field for $rename cannot contain an embedded null byte");
  if (from.segments) return fail('BadValue', `The source field for $rename may not be dynamic: ${from.text}`);
  if (/(?:^|\.)\$(?:\[.*\])?(?:\.|$)/.test(target)) {
    return fail('BadValue', `The destination field for $rename may not be dynamic: ${target}`);
  }
  const path = parseUpdatePath(target, NO_FILTERS);
  if (path.text === from.text) {
    return fail('BadValue', `The source and target field for $rename must differ: ${from.text}: ${describe(target)}`);
  }
  const isNested = path.text.startsWith(`${from.text}.`) || from.text.startsWith(`${path.text}.`);
  if (isNested) {
    return fail(
      'BadValue',
      `The source and target field for $rename must not be on the same path: ${from.text}: ${describe(target)}`,
    );
  }
  return { path, from, modifier: NOTHING };
}
