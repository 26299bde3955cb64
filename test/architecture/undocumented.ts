import type { Source } from './sources.js';

/** An export, with the TSDoc directly above it. */
const EXPORT =
  /^(?<comment> \*\/\n|\/\*\*.*\*\/\n)?export (?:abstract |async )?(?:class|const|function\*?|interface|type) (?<name>\w+)/gm;

/**
 * The exported names without TSDoc. Of a function with several signatures one has it.
 * @returns the names
 */
export function findUndocumented({ text }: Pick<Source, 'text'>): string[] {
  const exported = Array.from(text.matchAll(EXPORT), ({ groups = {} }) => groups);
  const documented = new Set(exported.flatMap(({ comment, name }) => (comment === undefined ? [] : [name])));
  return exported.flatMap(({ name }) => (name === undefined || documented.has(name) ? [] : [name]));
}
