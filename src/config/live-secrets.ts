import type { Config } from '../config.js';
import type { ConsoleKey } from './secrets.js';

/** The secrets that can be replaced while the gateway runs. */
export interface SecretValues {
  /** HS256 secrets of the user tokens; empty: a generated one. */
  readonly tokenSecrets: readonly string[];
  /** Keys of the backends. */
  readonly apiKeys: readonly string[];
  /** Keys of the console. */
  readonly consoleKeys: readonly ConsoleKey[];
  /** Keys of the push sites by the name of the site, the newest first. */
  readonly siteKeys: ReadonlyMap<string, readonly string[]>;
}

/** The secrets in force. */
export interface LiveSecrets {
  readonly values: SecretValues;
  /** A value that is made of the secrets, and again after they were replaced. */
  derive<T>(make: (values: SecretValues) => T): () => T;
  /** @param listener called after each replacement that changed something */
  onReplaced(listener: () => void): void;
  /** Replaces all secrets. Sites that are new need a restart and are left out. @returns whether something changed */
  replace(config: Config): boolean;
}

/** Starts with the secrets of a configuration. */
export function createLiveSecrets(config: Config): LiveSecrets {
  let values = toValues(config);
  const listeners: (() => void)[] = [];
  return {
    get values() {
      return values;
    },
    derive(make) {
      let made = make(values);
      let madeOf = values;
      return () => {
        if (madeOf !== values) [made, madeOf] = [make(values), values];
        return made;
      };
    },
    onReplaced: (listener) => void listeners.push(listener),
    replace(next) {
      const found = toValues(next);
      const replacement: SecretValues = {
        // A node that started with a secret cannot generate one while it serves.
        tokenSecrets: found.tokenSecrets.length === 0 ? values.tokenSecrets : found.tokenSecrets,
        apiKeys: found.apiKeys,
        consoleKeys: found.consoleKeys,
        // The namespace of a site that was removed is open until the restart; its keys stay with it.
        siteKeys: new Map([...values.siteKeys].map(([name, keys]) => [name, found.siteKeys.get(name) ?? keys])),
      };
      if (toText(replacement) === toText(values)) return false;
      values = replacement;
      for (const listener of listeners) listener();
      return true;
    },
  };
}

const toValues = ({ auth, console: { keys }, sites }: Config): SecretValues => ({
  tokenSecrets: auth.jwtSecrets,
  apiKeys: auth.apiKeys,
  consoleKeys: keys,
  siteKeys: new Map(sites.map(({ name, apiKeys }) => [name, apiKeys])),
});

const toText = ({ siteKeys, ...values }: SecretValues): string => JSON.stringify([values, [...siteKeys]]);
