import type { Settings } from '../config.js';
import { redact } from '../platform/mongo/url.js';
import { environment, groups } from './groups/index.js';
import { SECRETS } from './secret-names.js';
import { toSecrets } from './secrets.js';

/** One setting as a person may see it. */
export interface ShownSetting {
  readonly name: string;
  /** Without secrets; empty: unset. */
  readonly value: string;
  /** `default`, `environment`, or the path of a file. */
  readonly origin: string;
}

/** The settings by the titles of their groups. */
export function showSettings({ variables, originOf }: Settings): Readonly<Record<string, readonly ShownSetting[]>> {
  const defaults: Readonly<Record<string, unknown>> = environment.parse({});
  const toShown = (name: string): ShownSetting => {
    const value = variables[name];
    return {
      name,
      value: value === undefined ? String(defaults[name] ?? '') : toSafe(masked(name, value)),
      origin: originOf(name),
    };
  };
  return Object.fromEntries(Object.entries(groups).map(([title, group]) => [title, Object.keys(group).map(toShown)]));
}

/** The value without its secrets. A secret is shown as its length in bytes, which reveals a truncated or missing one. */
function masked(name: string, value: string): string {
  if (name.endsWith('_URL')) return withoutCredentials(value);
  const form = SECRETS[name];
  if (form === undefined) return withoutCredentials(value);
  const lengths = (form === 'lines' ? toSecrets(value) : [value]).map((secret) => Buffer.byteLength(secret));
  return `*** (${lengths.join(', ')} bytes)`;
}

/** Everything up to the last `@` may belong to a password. */
const withoutCredentials = (text: string): string =>
  redact(text, text).replace(/^([a-z][a-z0-9+.-]*:\/\/).*@/is, '$1***@');

/** Without characters that act on a terminal. */
const toSafe = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, '\ufffd');
