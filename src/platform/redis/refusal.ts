/** What Redis, or the way to it, says no with: the code of an error reply (`READONLY`) or of the system (`ECONNREFUSED`). */
export function refusalOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A command of a script that the user may not run has no code of its own.
  if (/executing the script can't|ACL failure in script/.test(error.message)) return 'NOPERM';
  // Redis 6 wraps the replies that a script got: `ERR Error running script …: -READONLY …`.
  const code = KNOWN_CODES.find((known) => new RegExp(`\\b${known}\\b`).test(error.message));
  if (code !== undefined) return code;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}

const KNOWN_CODES = [
  ...['READONLY', 'MASTERDOWN', 'LOADING', 'NOREPLICAS', 'OOM', 'MISCONF', 'BUSY'],
  ...['NOPERM', 'WRONGPASS', 'NOAUTH', 'DENIED', 'MOVED', 'CLUSTERDOWN', 'CROSSSLOT'],
];

/** Permanent errors: the settings of the gateway or of Redis must change. */
const SETTINGS_ARE_WRONG = new Set(['NOPERM', 'WRONGPASS', 'NOAUTH', 'DENIED', 'MOVED', 'CROSSSLOT']);

/** The server at the other end is not the one to talk to (any more). A new connection may lead to the right one. */
const WRONG_SERVER = new Set(['READONLY', 'MASTERDOWN', 'MOVED', 'NOAUTH']);

/** A message that a node sent to itself did not come back: its connections lead to different servers. */
export class LostMessageError extends Error {
  override readonly name = 'LostMessageError';
  constructor() {
    super('a message published by this node did not reach its own subscriptions');
  }
}

/** Whether waiting cannot help. */
export const isPermanent = (error: unknown): boolean =>
  SETTINGS_ARE_WRONG.has(refusalOf(error)) ||
  (error instanceof Error && /DB index is out of range/.test(error.message));

/** Whether new connections may help while the old ones stand. */
export const isOfWrongServer = (error: unknown): boolean =>
  error instanceof LostMessageError || WRONG_SERVER.has(refusalOf(error));

/** The reason in one line: the error and its code. */
export function toReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || refusalOf(error);
}

/** What has to be done about it, as a sentence. Empty when the reason says so itself. @param prefix that of the keys and channels */
export function toRemedy(error: unknown, prefix: string): string {
  const code = refusalOf(error);
  if (code === 'NOPERM') return ` An ACL that is enough: ${aclFor(prefix)}`;
  return REMEDIES[code] ?? '';
}

const CLUSTER = ' REDIS_URL must name a single Redis or a master with replicas, not a node of a Redis Cluster.';
const CREDENTIALS = ' Check the user and the password in REDIS_URL; in them, special characters are percent-encoded.';
const REMEDIES: Readonly<Record<string, string>> = {
  WRONGPASS: CREDENTIALS,
  NOAUTH: CREDENTIALS,
  READONLY: ' REDIS_URL must name the master.',
  MASTERDOWN: ' REDIS_URL must name the master.',
  NOREPLICAS: ' Redis wants more replicas (min-replicas-to-write).',
  OOM: ' Redis needs more memory (maxmemory).',
  MISCONF: ' Redis cannot save its data.',
  DENIED: ' Redis is in protected mode: give it a password, or let it listen on the loopback address only.',
  MOVED: CLUSTER,
  CROSSSLOT: CLUSTER,
  CLUSTERDOWN: CLUSTER,
};

/**
 * The rights of the gateway's user. Redis compares what PSUBSCRIBE asks for with the letters of the ACL, not with what they
 * match, so a pattern such as `&prefix*` would not be enough for the channels.
 */
const aclFor = (prefix: string): string =>
  `ACL SETUSER <user> on ><password> resetkeys ~${escapeGlob(prefix)}:* allchannels +@all -@dangerous`;

/** Text as a pattern of Redis that matches nothing but itself. */
export const escapeGlob = (text: string): string => text.replace(/[\\*?[\]]/g, '\\$&');
