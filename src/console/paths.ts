/** Values of the `:names` in the path of a page, decoded. */
export type PathValues = Readonly<Record<string, string>>;

/** What a view gets: the `:names` of its path. The query is in `place` of `routes.ts`. */
export interface ViewProps {
  readonly values: PathValues;
}

/** Values of a query. */
export type Query = Readonly<Record<string, string | undefined>>;

/**
 * The values of the `:names` when the path is of the pattern; `undefined` when it is not.
 * @example matchPath('/console/users/:id', '/console/users/a%20b') // { id: 'a b' }
 */
export function matchPath(pattern: string, path: string): PathValues | undefined {
  const expected = partsOf(pattern);
  const actual = partsOf(path);
  if (expected.length !== actual.length) return undefined;
  const values: Record<string, string> = {};
  for (const [index, part] of expected.entries()) {
    const text = decode(actual[index] ?? '');
    if (text === undefined) return undefined;
    if (part.startsWith(':')) values[part.slice(1)] = text;
    else if (part !== text) return undefined;
  }
  return values;
}

/**
 * Fills the `:names` of a pattern, and adds the query. Values that are `undefined` or empty are left out of the query.
 * A value never changes which path it is.
 * @example hrefTo('/console/users/:id', { id: 'a b' }, { tab: 'sockets' }) // /console/users/a%20b?tab=sockets
 */
export function hrefTo(pattern: string, values: PathValues = {}, query: Query = {}): string {
  const entries = Object.entries(query).filter(([, value]) => value !== '');
  return callTo(pattern, values, Object.fromEntries(entries));
}

/** As {@link hrefTo}, for a call: an empty value may mean something. Only values that are `undefined` are left out. */
export function callTo(pattern: string, values: PathValues, query: Query): string {
  const path = pattern.replace(/:(\w+)/g, (_, name: string) => encode(values[name] ?? ''));
  const entries = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const search = new URLSearchParams(entries).toString();
  return search === '' ? path : `${path}?${search}`;
}

/** URLs cannot hold `.` and `..` as a part of a path, encoded neither: encoded twice, they are the id of nothing. */
const encode = (value: string): string =>
  /^\.\.?$/.test(value) ? value.replaceAll('.', '%252E') : encodeURIComponent(value);

/** Slashes at the end do not count. */
const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '');

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
