import type { RedisTlsFiles } from './tls.js';

/** Address of a server. */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
}

/** Credentials of a user; absent parts are not sent. */
export interface RedisCredentials {
  readonly username?: string;
  readonly password?: string;
}

/** What a Redis URL names. */
export interface RedisTarget {
  readonly kind: RedisKind;
  readonly isTls: boolean;
  /** No part of the URL: {@link connectRedis} adds them. */
  readonly tlsFiles?: RedisTlsFiles;
  /** The server, the sentinels, or some servers of the cluster. */
  readonly nodes: readonly RedisServer[];
  /** Credentials for the servers. */
  readonly credentials: RedisCredentials;
  readonly database: number;
  /** Name of the master for the sentinels; empty for other kinds. */
  readonly masterName: string;
  /** Credentials for the sentinels. */
  readonly sentinelCredentials: RedisCredentials;
}

/** A single server or a name that leads to the master; a master that Redis Sentinel monitors; a Redis Cluster. */
type RedisKind = 'single' | 'sentinel' | 'cluster';

const FORMS: Readonly<Record<RedisKind, string>> = {
  single: 'redis://[[user]:password@]host[:port][/database]',
  sentinel: 'redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/master[/database]',
  cluster: 'redis+cluster://[[user]:password@]host[:port][,host[:port]…]',
};
const DEFAULT_PORTS: Readonly<Record<RedisKind, number>> = { single: 6379, sentinel: 26_379, cluster: 6379 };
const SCHEMES: Readonly<Record<string, { kind: RedisKind; isTls: boolean }>> = {
  redis: { kind: 'single', isTls: false },
  rediss: { kind: 'single', isTls: true },
  'redis+sentinel': { kind: 'sentinel', isTls: false },
  'rediss+sentinel': { kind: 'sentinel', isTls: true },
  'redis+cluster': { kind: 'cluster', isTls: false },
  'rediss+cluster': { kind: 'cluster', isTls: true },
};
const SCHEME_NAMES =
  'redis://, redis+sentinel:// or redis+cluster://, with TLS rediss://, rediss+sentinel:// or rediss+cluster://';

/** The problem of a Redis URL, without quoting it: it may contain a password. `undefined`: none. */
export function redisUrlProblem(url: string): string | undefined {
  const parsed = parse(url);
  return typeof parsed === 'string' ? parsed : undefined;
}

/** Parses a Redis URL. @throws Error for an invalid URL, without quoting it */
export function toRedisTarget(url: string): RedisTarget {
  const parsed = parse(url);
  if (typeof parsed === 'string') throw new Error(`The address of Redis ${parsed}`);
  return parsed;
}

/** The address without credentials, for logs. @throws Error for an invalid URL, without quoting it */
export function toRedisAddress(url: string): string {
  const { kind, isTls, nodes, masterName, database } = toRedisTarget(url);
  const scheme = `${isTls ? 'rediss' : 'redis'}${kind === 'single' ? '' : `+${kind}`}`;
  const path = [...(masterName === '' ? [] : [masterName]), ...(database === 0 ? [] : [database])];
  return [`${scheme}://${nodes.map(toHostAndPort).join(',')}`, ...path].join('/');
}

/** `host:port`, with brackets around an IPv6 address. */
export const toHostAndPort = ({ host, port }: RedisServer): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** @returns the target, or the problem */
function parse(url: string): RedisTarget | string {
  if (/^["'].*["']$/s.test(url)) return 'must not be in quotes';
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return `must begin with ${SCHEME_NAMES}; expected ${FORMS.single}`;
  const known = SCHEMES[scheme];
  if (known === undefined) return `must begin with ${SCHEME_NAMES}, not ${scheme}://`;
  const { kind } = known;
  const rest = url.slice(scheme.length + 3);
  // Everything before the last @ counts as credentials, up to the query of a Sentinel URL.
  const queryAt = kind === 'sentinel' ? rest.search(/\?(?:[a-z_]*=|$)/) : -1;
  const beforeQuery = queryAt < 0 ? rest : rest.slice(0, queryAt);
  const at = beforeQuery.lastIndexOf('@');
  const credentials = toCredentials(beforeQuery.slice(0, Math.max(at, 0)));
  if (typeof credentials === 'string') return credentials;
  const sentinelCredentials = queryAt < 0 ? credentials : fromQuery(rest.slice(queryAt + 1));
  if (typeof sentinelCredentials === 'string') return sentinelCredentials;
  const place = toPlace(kind, beforeQuery.slice(at + 1));
  return typeof place === 'string' ? place : { ...known, ...place, credentials, sentinelCredentials };
}

function toCredentials(text: string): RedisCredentials | string {
  if (/[/?#\p{Cc}]/u.test(text)) {
    return 'in its user and password, special characters must be percent-encoded (/ as %2F, # as %23, ? as %3F)';
  }
  const colon = text.indexOf(':');
  const parts = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
  const [username, password] = parts.map(decode);
  if (username === undefined || password === undefined) {
    return 'in its user and password, % must be percent-encoded as %25';
  }
  return { ...(username !== '' && { username }), ...(password !== '' && { password }) };
}

/** Credentials for the sentinels, where they differ from those for the servers. */
function fromQuery(query: string): RedisCredentials | string {
  const values: { username?: string; password?: string } = {};
  for (const part of query.split('&')) {
    const [name = '', ...value] = part.split('=');
    const text = decode(value.join('='));
    if (text === undefined) return 'in its query, % must be percent-encoded as %25';
    if (name === 'sentinel_user') values.username = text;
    else if (name === 'sentinel_password') values.password = text;
    else return 'must have nothing but sentinel_user and sentinel_password in its query';
  }
  const { username = '', password = '' } = values;
  return { ...(username !== '' && { username }), ...(password !== '' && { password }) };
}

/**
 * @param place hosts, ports, master and database. Not secret, but never quoted, because a malformed URL may have
 *   credentials in it.
 */
function toPlace(kind: RedisKind, place: string): Pick<RedisTarget, 'nodes' | 'masterName' | 'database'> | string {
  const [, hosts = '', path = ''] = /^([^/?#]*)(.*)$/s.exec(place) ?? [];
  const nodes: RedisServer[] = [];
  for (const text of kind === 'single' ? [hosts] : hosts.split(',')) {
    const node = toServer(text, DEFAULT_PORTS[kind]);
    if (typeof node === 'string') return `${node}; expected ${FORMS[kind]}`;
    nodes.push(node);
  }
  if (kind === 'sentinel') {
    const [, masterName = '', database = '0'] = /^\/([\w.-]+)(?:\/(\d{0,9}))?$/.exec(path) ?? [];
    if (masterName === '')
      return `must have /<name of the master>[/<database number>] after the sentinels; expected ${FORMS.sentinel}`;
    return { nodes, masterName, database: Number(database) };
  }
  if (kind === 'cluster') {
    return /^(?:\/0?)?$/.test(path)
      ? { nodes, masterName: '', database: 0 }
      : 'must have nothing after its servers: a Redis Cluster has database 0 only';
  }
  const [, database] = /^(?:\/(\d{0,9}))?$/.exec(path) ?? [undefined, path];
  if (database !== undefined && !/^\d*$/.test(database)) {
    return 'must have nothing but /<database number> after its host and port';
  }
  return { nodes, masterName: '', database: Number(database ?? 0) };
}

function toServer(text: string, defaultPort: number): RedisServer | string {
  const [, name = '', port = String(defaultPort)] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(text) ?? [];
  if (name === '') return 'has no host';
  if (!(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    return 'has a port that is not a number from 1 to 65535';
  }
  // Resolves what URLs allow in the place of a host, such as international names.
  const address = `http://${name}:${port}`;
  if (/[\s@\\%]/.test(name) || !URL.canParse(address)) return 'has a host that is not a name or an address';
  return { host: new URL(address).hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** The prefix of an installation that has not chosen one. */
export const DEFAULT_REDIS_PREFIX = 'general-socket';

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

/** The problem of a prefix in a Redis Cluster. `undefined`: none. */
export const clusterPrefixProblem = (prefix: string): string | undefined =>
  // Redis takes such a key whole for its slot, whatever hash tag follows.
  /^[^{]*\{\}/.test(prefix) ? 'must not have {} as its first braces in a Redis Cluster' : undefined;

const PREFIX_MAX_BYTES = 200;
