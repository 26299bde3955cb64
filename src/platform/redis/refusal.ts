import { tlsRemedyOf } from './tls.js';

/** Redis gives these no code. Operators take commands away by `rename-command`. */
const UNKNOWN_COMMAND = 'unknown command';
const TOO_MANY_CLIENTS = 'max number of clients';

/** The code of an error: that of a Redis error reply (`READONLY`) or of the system (`ECONNREFUSED`). */
export function refusalOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (/unknown (redis )?command/i.test(error.message)) return UNKNOWN_COMMAND;
  if (error.message.includes(TOO_MANY_CLIENTS)) return TOO_MANY_CLIENTS;
  // A forbidden command within a script has no code of its own.
  if (/executing the script can't|ACL failure in script/.test(error.message)) return 'NOPERM';
  // Redis 6 wraps errors within scripts: `ERR Error running script …: -READONLY …`.
  const code = KNOWN_CODES.find((known) => new RegExp(`\\b${known}\\b`).test(error.message));
  if (code !== undefined) return code;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

const KNOWN_CODES = [
  'READONLY',
  'MASTERDOWN',
  'LOADING',
  'NOREPLICAS',
  'OOM',
  'MISCONF',
  'BUSY',
  'NOPERM',
  'WRONGPASS',
  'NOAUTH',
  'DENIED',
  'MOVED',
  'CLUSTERDOWN',
  'CROSSSLOT',
];

/** Permanent errors: the settings of the gateway or of Redis must change. */
const SETTINGS_ARE_WRONG = new Set(['NOPERM', UNKNOWN_COMMAND, 'WRONGPASS', 'NOAUTH', 'DENIED', 'MOVED', 'CROSSSLOT']);

/** The server is not, or no longer, the right one. A new connection may reach it. */
const WRONG_SERVER = new Set(['READONLY', 'MASTERDOWN', 'MOVED', 'NOAUTH']);

/** A message of this node to itself was not delivered: its connections lead to different servers. */
export class LostMessageError extends Error {
  override readonly name = 'LostMessageError';
  constructor() {
    super('a message published by this node did not reach its own subscriptions');
  }
}

/** The server is of another kind or role than the connection needs. A new connection may reach the right one. */
export class WrongServerError extends Error {
  override readonly name = 'WrongServerError';
  /** Present: only another `REDIS_URL` can help. A sentence after a space. */
  readonly remedy: string | undefined;
  constructor(message: string, remedy?: string) {
    super(message);
    this.remedy = remedy;
  }
}

/** The sentinels do not monitor the master that `REDIS_URL` names. */
export class UnknownMasterError extends Error {
  override readonly name = 'UnknownMasterError';
  /** All sentinels said so. */
  readonly isPermanent: boolean;
  constructor(masterName: string, isPermanent: boolean) {
    super(`the sentinels do not know a master named ${masterName}`);
    this.isPermanent = isPermanent;
  }
}

const isNoCluster = (error: unknown): boolean =>
  error instanceof Error && /cluster support disabled/.test(error.message);

/** The handshake of TLS has failed: one of the two refuses the other. */
export const isRefusedTls = (error: unknown): boolean => tlsRemedyOf(error) !== undefined;

/** Whether retrying cannot help. */
export const isPermanent = (error: unknown): boolean =>
  SETTINGS_ARE_WRONG.has(refusalOf(error)) ||
  isRefusedTls(error) ||
  (error instanceof WrongServerError && error.remedy !== undefined) ||
  (error instanceof UnknownMasterError && error.isPermanent) ||
  isNoCluster(error) ||
  (error instanceof Error && /DB index is out of range/.test(error.message));

/** Whether Redis does not let this node run the command. */
export const isForbidden = (error: unknown): boolean => ['NOPERM', UNKNOWN_COMMAND].includes(refusalOf(error));

/** Whether reconnecting may help. */
export const isOfWrongServer = (error: unknown): boolean =>
  error instanceof LostMessageError || error instanceof WrongServerError || WRONG_SERVER.has(refusalOf(error));

/** The reason in one line: error and code. */
export function toReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // OpenSSL's text has the place in its source and a line break. That of an unknown command quotes its arguments. That of
  // the protected mode goes on with ways out of it, of which some let everyone in.
  const text = error.message
    .replace(/, with args beginning with.*/s, '')
    .replace(/^(DENIED .*?)\. In this mode .*/s, '$1')
    .replace(/\S*error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):.*/s, '$1');
  return text || refusalOf(error);
}

/** The remedy as a sentence. Empty when the reason suffices. @param prefix that of the keys and channels */
export function toRemedy(error: unknown, prefix: string): string {
  if (isNoCluster(error)) return SINGLE;
  if (error instanceof UnknownMasterError) return ' Check the name after the sentinels in REDIS_URL.';
  if (error instanceof WrongServerError) return error.remedy ?? '';
  const tls = tlsRemedyOf(error);
  if (tls !== undefined) return tls;
  const code = refusalOf(error);
  if (code === 'NOPERM') return ` An ACL that is enough: ${aclFor(prefix)}`;
  return isRemedied(code) ? REMEDIES[code] : '';
}

/** For a node of a cluster that is named as a single Redis. */
export const CLUSTER_REMEDY = ' A Redis Cluster is named with redis+cluster:// in REDIS_URL.';
const SINGLE = ' A single Redis is named with redis:// in REDIS_URL.';
/** For a sentinel that is named as a single Redis. */
export const SENTINEL_REMEDY = ' Sentinels are named with redis+sentinel:// in REDIS_URL.';
const CREDENTIALS =
  ' Check the user and the password in REDIS_URL; in them, special characters are percent-encoded. Sentinels with others get theirs as ?sentinel_user=…&sentinel_password=….';
const MASTER = ' REDIS_URL must name the master.';
const REMEDIES = {
  [UNKNOWN_COMMAND]: ' Redis must have every command that the gateway uses: see rename-command in its configuration.',
  WRONGPASS: CREDENTIALS,
  NOAUTH: CREDENTIALS,
  READONLY: MASTER,
  MASTERDOWN: MASTER,
  NOREPLICAS: ' Redis wants more replicas (min-replicas-to-write).',
  OOM: ' Redis needs more memory (maxmemory).',
  MISCONF: ' Redis cannot save its data: its log says why.',
  BUSY: ' A script of another client blocks Redis: SCRIPT KILL ends it.',
  [TOO_MANY_CLIENTS]: ' Redis accepts no more connections (maxclients). Each node needs three.',
  DENIED: ' Give Redis a password, and name it in REDIS_URL.',
  MOVED: CLUSTER_REMEDY,
  CROSSSLOT: CLUSTER_REMEDY,
  CLUSTERDOWN: CLUSTER_REMEDY,
} as const satisfies Readonly<Record<string, string>>;

const isRemedied = (code: string): code is keyof typeof REMEDIES => Object.hasOwn(REMEDIES, code);

/**
 * The permissions of the gateway's user. Redis compares PSUBSCRIBE patterns literally with those of the ACL, so
 * `&prefix*` would not suffice for the channels.
 */
const aclFor = (prefix: string): string =>
  `ACL SETUSER <user> on ><password> resetkeys ~${escapeGlob(prefix)}:* allchannels +@all -@dangerous +info`;

/** Escapes text as a Redis pattern that matches only itself. */
export const escapeGlob = (text: string): string => text.replace(/[\\*?[\]]/g, '\\$&');
