import { describe } from '../bson/describe.js';
import { toArrayIndex } from '../bson/path.js';
import { type Document, fieldOf, isDocument, setField } from '../bson/values.js';
import { fail } from '../errors.js';

/** The most nulls that one write past the end of an array may insert, as in MongoDB. It bounds the memory of an update. */
const MAX_PADDING = 1_500_000;

/** A copy-on-write draft of a document. Documents and arrays on written paths are copied once; the rest is shared. */
export interface Draft {
  /** The document with all changes; the original as long as nothing was written. */
  readonly document: Document;
  /** The value at a path, which can contain array positions; `undefined` when there is none. */
  get(path: readonly string[]): unknown;
  /** Writes a value and creates missing embedded documents. @throws DatabaseError PathNotViable for a path through a scalar */
  set(path: readonly string[], value: unknown): void;
  /** Removes a field. An array element becomes null, so that the other elements keep their positions. */
  remove(path: readonly string[]): void;
  /** Whether an array lies on the path. */
  crossesArray(path: readonly string[]): boolean;
}

type Container = Document | unknown[];

/** Starts a draft of a document, which is not modified. */
export const createDraft = (original: Document): Draft => new CopyOnWrite(original);

class CopyOnWrite implements Draft {
  readonly #original: Document;
  #root: Document;
  /** The copies below the root. Most changes concern only the root and need none. */
  #owned: Set<Container> | undefined;

  constructor(original: Document) {
    this.#original = original;
    this.#root = original;
  }

  get document(): Document {
    return this.#root;
  }

  get(path: readonly string[]): unknown {
    let value: unknown = this.#root;
    for (let depth = 0; depth < path.length; depth += 1) {
      if (!isContainer(value)) return undefined;
      value = readChild(value, path[depth] as string);
    }
    return value;
  }

  set(path: readonly string[], value: unknown): void {
    writeChild(this.#parentOf(path), path.at(-1) as string, { value, path });
  }

  remove(path: readonly string[]): void {
    if (this.get(path) === undefined) return;
    const parent = this.#parentOf(path);
    const name = path.at(-1) as string;
    if (Array.isArray(parent)) parent[toArrayIndex(name)] = null;
    else delete parent[name];
  }

  crossesArray(path: readonly string[]): boolean {
    return path.some((_, index) => Array.isArray(this.get(path.slice(0, index))));
  }

  #parentOf(path: readonly string[]): Container {
    if (this.#root === this.#original) this.#root = { ...this.#original };
    let container: Container = this.#root;
    for (let depth = 0; depth < path.length - 1; depth += 1) {
      const name = path[depth] as string;
      const child = readChild(container, name);
      const next: Container = isContainer(child) ? this.#own(child) : missingContainer(child, path, depth);
      this.#owned ??= new Set();
      this.#owned.add(next);
      writeChild(container, name, { value: next, path });
      container = next;
    }
    return container;
  }

  #own(container: Container): Container {
    if (this.#owned?.has(container)) return container;
    return Array.isArray(container) ? [...container] : { ...container };
  }
}

const isContainer = (value: unknown): value is Container => Array.isArray(value) || isDocument(value);

const readChild = (container: Container, name: string): unknown =>
  Array.isArray(container) ? container[toArrayIndex(name)] : fieldOf(container, name);

function missingContainer(child: unknown, path: readonly string[], index: number): Document {
  if (child === undefined) return {};
  return fail(
    'PathNotViable',
    `Cannot create field '${path[index + 1]}' in element {${path[index]}: ${describe(child)}}`,
  );
}

function writeChild(
  container: Container,
  name: string,
  { value, path }: { value: unknown; path: readonly string[] },
): void {
  if (!Array.isArray(container)) {
    setField(container, name, value);
    return;
  }
  const position = toArrayIndex(name);
  if (position < 0) {
    const holder = path[path.indexOf(name) - 1] ?? '';
    fail('PathNotViable', `Cannot create field '${name}' in element {${holder}: ${describe(container)}}`);
  }
  if (position - container.length > MAX_PADDING)
    fail('CannotBackfillArray', `can't backfill more than ${MAX_PADDING} elements`);
  while (container.length < position) container.push(null);
  container[position] = value;
}
