/** Error codes of unique index violations: current ones, and those of old servers and other engines. */
const DUPLICATE_KEY_CODES: ReadonlySet<unknown> = new Set([11_000, 11_001, 12_582]);

/** The index name in messages: `index: name` (MongoDB), `Index 'name'` (engines on PostgreSQL), `index "name"`. */
const INDEX_NAME = /\bindex:? *['"]?([^\s'"]+)/i;

/** One field of a default index name: `field_1`, `field_-1`. */
const NAMED_KEY = /(.+?)_-?1(?:_|$)/gy;

/** A failed write, alone or as part of a bulk write. */
interface WriteFailure {
  readonly code?: unknown;
  readonly keyPattern?: unknown;
  readonly message?: unknown;
  readonly errmsg?: unknown;
  readonly writeErrors?: unknown;
}

/**
 * Whether a write failed because a document with the same key exists. Decided by the code, because messages differ
 * between engines.
 * @param field a field of the expected unique index. The result is false only if another index is known to have caused
 *   the error. If the engine does not name the index, the result is true; look the document up.
 */
export function isDuplicateKey(error: unknown, field?: string): boolean {
  const failures = toFailures(error);
  return failures.length > 0 && failures.every((failure) => isDuplicate(failure) && isOfField(failure, field));
}

/** A bulk write reports an error for each operation. Unless all are duplicates, it also failed for another reason. */
function toFailures(error: unknown): WriteFailure[] {
  if (typeof error !== 'object' || error === null) return [];
  const { writeErrors } = error as WriteFailure;
  if (writeErrors === undefined) return [error];
  const failures = [writeErrors].flat() as WriteFailure[];
  return failures.length === 0 ? [error] : failures;
}

const isDuplicate = ({ code }: WriteFailure): boolean => DUPLICATE_KEY_CODES.has(code);

const isOfField = (failure: WriteFailure, field: string | undefined): boolean =>
  field === undefined || (indexedFields(failure)?.includes(field) ?? true);

/** The fields of the violated index; `undefined` if the engine does not report it. */
function indexedFields({ keyPattern, message, errmsg }: WriteFailure): readonly string[] | undefined {
  if (typeof keyPattern === 'object' && keyPattern !== null) return Object.keys(keyPattern);
  const [, name] = INDEX_NAME.exec(String(errmsg ?? message ?? '')) ?? [];
  return name === undefined ? undefined : fieldsOfName(name);
}

/** The fields in a default index name; `undefined` for any other name. */
function fieldsOfName(name: string): readonly string[] | undefined {
  if (name === '_id_') return ['_id'];
  const keys = [...name.matchAll(NAMED_KEY)];
  const length = keys.reduce((sum, [text]) => sum + text.length, 0);
  return keys.length > 0 && length === name.length ? keys.map(([, field = '']) => field) : undefined;
}
