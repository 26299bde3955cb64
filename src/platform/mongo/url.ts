import { ConnectionString, redactConnectionString } from 'mongodb-connection-string-url';
import { mongo as driver } from 'mongoose';

/** Options that the gateway decides itself, because its promises rest on them: see `fixedOptions`. */
const FIXED = [
  ...['readPreference', 'readPreferenceTags', 'maxStalenessSeconds', 'readConcernLevel'],
  ...['w', 'j', 'journal', 'fsync', 'wtimeout', 'wtimeoutMS', 'retryWrites', 'retryReads'],
];

/** A connection string that the driver takes. */
export interface MongoUrl {
  /** Without the options that the gateway decides itself. */
  readonly url: string;
  /** Names of the options that were left out. */
  readonly ignored: readonly string[];
  /** Hosts as written, or the SRV name: what may be logged. */
  readonly address: string;
  hasOption(name: string): boolean;
}

/**
 * Parses a connection string as the driver does: seed lists, `mongodb+srv`, unix sockets, percent-encoding, options.
 * Resolves and connects nothing.
 * @throws Error with the driver's words, which hold no password
 */
export function parseMongoUrl(text: string): MongoUrl {
  try {
    // Checks the options too; the client is never connected.
    void new driver.MongoClient(text);
    const parsed = new ConnectionString(text);
    // Otherwise the rest of a password with `/` would be taken for a database, and its beginning for a host.
    if (parsed.pathname.includes('@')) throw new Error('Username or password contains unescaped characters');
    const address = parsed.hosts.map(decodeURIComponent).join(',');
    const ignored = FIXED.filter((name) => parsed.searchParams.has(name));
    for (const name of ignored) parsed.searchParams.delete(name);
    return { url: parsed.toString(), ignored, address, hasOption: (name) => parsed.searchParams.has(name) };
  } catch (error) {
    throw new Error(redact(error instanceof Error ? error.message : String(error), text));
  }
}

/** Takes the credentials out of a message. */
export function redact(message: string, url: string): string {
  const [, userInfo = ''] = /^[^:]+:\/\/(.*)@/.exec(url) ?? [];
  const [user = '', ...rest] = userInfo.split(':');
  const secrets = rest.length === 0 ? [] : [userInfo, rest.join(':'), decoded(rest.join(':'))];
  // Short ones would blank out ordinary letters; the driver quotes a password only as part of a URL.
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
