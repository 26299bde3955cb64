import { readSecretFile } from './secret-files.js';
import { apiKeyProblem, toSecrets } from './secrets.js';

const LENGTH_MAX = 256;

/** The keys of a push site. */
export interface SiteKeys {
  /** Any of them is accepted; the first one is the newest. */
  readonly apiKeys: readonly string[];
  /** Problems by the name of the field. */
  readonly problems: readonly (readonly [field: string, problem: string])[];
  readonly files: readonly string[];
}

/**
 * Reads the keys of a site from three fields: `apiKey`, one key; `apiKeys`, a list, or a text with commas as in the
 * environment; `apiKeyFile`, the path of a file with one key a line.
 */
export function readSiteKeys(fields: Readonly<Record<string, unknown>>, isProduction: boolean): SiteKeys {
  const { apiKey, apiKeys, apiKeyFile } = fields;
  const apiKeyList: unknown = typeof apiKeys === 'string' ? toSecrets(apiKeys) : apiKeys;
  const found: string[] = [];
  const problems: [string, string][] = [];
  const take = (field: string, keys: unknown): void => {
    const problem = isTexts(keys) ? (tooLong(keys) ?? apiKeyProblem(keys, isProduction)) : 'must be a text';
    if (problem !== undefined) problems.push([field, problem]);
    else if (isTexts(keys)) found.push(...keys);
  };
  if (apiKey !== undefined) take('apiKey', [apiKey]);
  if (apiKeyList !== undefined) take('apiKeys', apiKeyList);
  if (typeof apiKeyFile === 'string') {
    const file = readSecretFile(apiKeyFile, 'lines');
    if ('problem' in file) problems.push(['apiKeyFile', file.problem]);
    else take('apiKeyFile', toSecrets(file.value));
    if (apiKey !== undefined) problems.push(['apiKeyFile', 'apiKey is set too; remove one of the two']);
  } else if (apiKeyFile !== undefined) problems.push(['apiKeyFile', 'must be a text']);
  if (found.length + problems.length === 0) problems.push(['apiKey', 'missing']);
  return { apiKeys: [...new Set(found)], problems, files: typeof apiKeyFile === 'string' ? [apiKeyFile] : [] };
}

const isTexts = (keys: unknown): keys is string[] =>
  Array.isArray(keys) && keys.every((key: unknown) => typeof key === 'string');

const tooLong = (keys: readonly string[]): string | undefined =>
  keys.some((key) => key.length > LENGTH_MAX) ? `a key has at most ${LENGTH_MAX} characters` : undefined;
