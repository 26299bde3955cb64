import { ConnectionString, redactConnectionString } from 'mongodb-connection-string-url';
import { mongo as driver } from 'mongoose';

/** Options that the gateway sets itself, because its guarantees depend on them: see `fixedOptions`. */
const FIXED = [
  'readPreference',
  'readPreferenceTags',
  'maxStalenessSeconds',
  'readConcernLevel',
  'w',
  'j',
  'journal',
  'fsync',
  'wtimeout',
  'wtimeoutMS',
  'retryWrites',
  'retryReads',
];

/** A valid connection string. */
export interface MongoUrl {
  /** Without the options that the gateway sets itself. */
  readonly url: string;
  /** Names of the ignored options. */
  readonly ignored: readonly string[];
  /** Hosts as written, or the SRV name; safe to log. */
  readonly address: string;
  hasOption(name: string): boolean;
  optionOf(name: string): string | undefined;
}

/**
 * Parses a connection string as the driver does: seed lists, `mongodb+srv`, unix sockets, percent-encoding, options.
 * Does not resolve or connect.
 * @throws Error with the driver's message, which contains no password
 */
export function parseMongoUrl(text: string): MongoUrl {
  try {
    // Validates the options too. The client is never connected.
    void new driver.MongoClient(text);
    const parsed = new ConnectionString(text);
    // Otherwise a password with `/` would be split into host and database.
    if (parsed.pathname.includes('@')) throw new Error('Username or password contains unescaped characters');
    const address = parsed.hosts.map(decodeURIComponent).join(',');
    const ignored = FIXED.filter((name) => parsed.searchParams.has(name));
    for (const name of ignored) parsed.searchParams.delete(name);
    const { searchParams } = parsed;
    return {
      url: parsed.toString(),
      ignored,
      address,
      hasOption: (name) => searchParams.has(name),
      optionOf: (name) => searchParams.get(name) ?? undefined,
    };
  } catch (error) {
    throw new Error(redact(error instanceof Error ? error.message : String(error), text));
  }
}

/** Removes credentials from a message. */
export function redact(message: string, url: string): string {
  const [, userInfo = ''] = /^[^:]+:\/\/(.*)@/.exec(url) ?? [];
  const [user = '', ...rest] = userInfo.split(':');
  const secrets = rest.length === 0 ? [] : [userInfo, rest.join(':'), decoded(rest.join(':'))];
  // Short secrets would match ordinary text; the driver quotes a password only as part of a URL.
  const clean = secrets
    .filter((secret) => secret.length > 3)
    .reduce(
      (text, secret) => text.replaceAll(secret, secret === userInfo ? `${user}:<credentials>` : '<credentials>'),
      message,
    );
  return redactConnectionString(clean);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
