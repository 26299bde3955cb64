import { parseEnv } from 'node:util';
import { readTextFile } from './text-file.js';

/** The lines of a `.env`. */
export interface EnvFile {
  readonly values: Readonly<Record<string, string>>;
  readonly problems: readonly string[];
}

/** Reads a `.env`, which may be missing. */
export function readEnvFile(path: string): EnvFile {
  const file = readTextFile(path);
  if ('problem' in file) return { values: {}, problems: file.isMissing ? [] : [`${path}: ${file.problem}`] };
  const values = Object.entries(parseEnv(file.text)).filter((line): line is [string, string] => line[1] !== undefined);
  return { values: Object.fromEntries(values), problems: [] };
}
