/** Origin schemes of pages, by the websocket schemes that are often written in `CORS_ORIGINS` instead. */
const PAGES_OF: Readonly<Record<string, string>> = { 'ws:': 'http', 'wss:': 'https' };

/** An entry of `CORS_ORIGINS` that can never match. The message gives the reason. */
export class OriginError extends Error {
  override readonly name = 'OriginError';
}

/**
 * Normalizes the origins of `CORS_ORIGINS` to the form that browsers send (RFC 6454): scheme and host in lower case, no
 * default port, no trailing slash. Ignores quotes and blanks around the list and its entries.
 *
 * @returns an empty list for `*` or no entry: any origin
 * @throws OriginError for an entry that no browser sends
 */
export function toOrigins(text: string): readonly string[] {
  const entries = unquote(text)
    .split(',')
    .map(unquote)
    .filter((entry) => entry !== '');
  if (entries.includes('*')) {
    if (entries.some((entry) => entry !== '*'))
      throw new OriginError('* allows all origins, so it cannot be combined with other origins');
    return [];
  }
  return [...new Set(entries.map(toOrigin))];
}

const unquote = (text: string): string => text.trim().replace(/^["'\s]+|["'\s]+$/g, '');

function toOrigin(entry: string): string {
  const refuse = (reason: string): never => {
    throw new OriginError(`${JSON.stringify(entry)} ${reason}`);
  };
  // The origin of pages from files and in sandboxes.
  if (entry === 'null') return entry;
  if (entry.includes('*')) refuse('can never match: only * alone is a wildcard; list the origins one by one');
  if (/\s/.test(entry)) refuse('can never match: origins are separated by commas');
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(entry)) refuse('can never match: it needs a scheme, as in https://example.org');
  const url = URL.canParse(entry) ? new URL(entry) : undefined;
  if (url === undefined || url.host === '') return refuse('is not an origin, such as https://example.org:8443');
  const page = PAGES_OF[url.protocol];
  if (page !== undefined) refuse(`can never match: the origin of a page that opens websockets begins with ${page}://`);
  if (url.username !== '' || url.password !== '') refuse('can never match: an origin has no user');
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') {
    refuse('can never match: an origin ends after the host and port');
  }
  return `${url.protocol}//${url.host}`.toLowerCase();
}
