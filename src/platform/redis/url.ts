/** The problem of a Redis URL, without quoting it: it may contain a password. `undefined`: none. */
export function redisUrlProblem(url: string): string | undefined {
  if (/^["'].*["']$/s.test(url)) return 'must not be in quotes';
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return `must begin with redis:// or rediss://; expected ${FORM}`;
  if (scheme !== 'redis' && scheme !== 'rediss') return `must begin with redis:// or rediss://, not ${scheme}://`;
  const rest = url.slice(scheme.length + 3);
  // Everything before the last @ counts as credentials.
  const at = rest.lastIndexOf('@');
  const credentials = at < 0 ? '' : rest.slice(0, at);
  if (/[/?#\p{Cc}]/u.test(credentials)) {
    return 'in its user and password, special characters must be percent-encoded (/ as %2F, # as %23, ? as %3F)';
  }
  if (!isDecodable(credentials)) return 'in its user and password, % must be percent-encoded as %25';
  return placeProblem(url, rest.slice(at + 1));
}

/** The address without credentials, for logs. @throws Error for an invalid URL, without quoting it */
export function toRedisAddress(url: string): string {
  const problem = redisUrlProblem(url);
  if (problem !== undefined) throw new Error(`The address of Redis ${problem}`);
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

const FORM = 'redis://[[user]:password@]host[:port][/database]';

/**
 * @param place host, port and database. Not secret, but never quoted, because a malformed URL may have credentials in
 *   it.
 */
function placeProblem(url: string, place: string): string | undefined {
  const [, host = '', port, path = ''] = /^(\[[^\]]*\]|[^:/?#]*)(?::([^/?#]*))?(.*)$/s.exec(place) ?? [];
  if (host === '') return `has no host; expected ${FORM}`;
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    return 'has a port that is not a number from 1 to 65535';
  }
  if (!/^(?:\/(?:\d{1,9})?)?$/.test(path)) return 'must have nothing but /<database number> after its host and port';
  return URL.canParse(url) ? undefined : `is not a URL; expected ${FORM}`;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** The problem of a prefix of keys and channels. `undefined`: none. */
export function redisPrefixProblem(prefix: string): string | undefined {
  // Such a prefix looks like another one, but would silently separate the node from the others.
  if (/^\s|\s$|\p{Cc}|\p{Cf}|\p{Cs}/u.test(prefix))
    return 'must not have leading or trailing blanks, or control characters';
  if (/^["'].*["']$/.test(prefix)) return 'must not be in quotes';
  if (Buffer.byteLength(prefix) > PREFIX_MAX_BYTES) return `must not be longer than ${PREFIX_MAX_BYTES} bytes`;
  // Suffixes of the adapter's other channels.
  return /-(?:request|response)$/.test(prefix) ? 'must not end with -request or -response' : undefined;
}

const PREFIX_MAX_BYTES = 200;
