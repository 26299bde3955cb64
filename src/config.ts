import type { z } from 'zod';
import { type FileSettings, readConfigFile } from './config/config-file.js';
import { environment } from './config/groups/index.js';
import { secretProblems } from './config/secrets.js';
import { readSites } from './config/sites.js';
import { type Config, toConfig } from './config/to-config.js';

export { environment } from './config/groups/index.js';
export type { Config } from './config/to-config.js';

/** The configuration is invalid. The message names every invalid variable and its problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads the configuration from the environment and the configuration files.
 * @throws ConfigError naming all invalid variables
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const present = Object.fromEntries(Object.entries(env).filter(isSet));
  const settings = readConfigFile(present, (name) => Object.hasOwn(environment.shape, name));
  const variables = { ...settings.variables, ...present };
  const parsed = environment.safeParse(variables);
  const { sites, problems: siteProblems } = readSites(variables);
  const problems = [
    ...settings.problems,
    ...(parsed.success ? [] : parsed.error.issues.map((issue) => toLine(issue, settings))),
    ...secretProblems(variables).map(([name, problem]) => `${settings.placeOf(name)}: ${problem}`),
    ...siteProblems,
  ];
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(`The configuration is invalid:\n${problems.map((line) => `  ${line}`).join('\n')}`);
  }
  return toConfig(parsed.data, sites);
}

/** An empty value counts as absent. */
const isSet = (pair: [string, string | undefined]): pair is [string, string] => pair[1] !== undefined && pair[1] !== '';

const toLine = ({ path, message }: z.core.$ZodIssue, { placeOf }: FileSettings): string =>
  `${placeOf(path.join('.'))}: ${message}`;
