import { combinationProblems } from './config/combinations.js';
import { environment } from './config/groups/index.js';
import { type Problem, secretProblems } from './config/secrets.js';
import { readSites, type Site } from './config/sites.js';
import { type Found, findSettings, type Sources } from './config/sources.js';
import { type Config, toConfig } from './config/to-config.js';
import { StartError } from './platform/start-error.js';

export { environment } from './config/groups/index.js';
export type { Config } from './config/to-config.js';

/**
 * The configuration is invalid. The message names every invalid variable and its problem, and the names that have no effect:
 * a missing setting may be one that is misspelt.
 */
export class ConfigError extends StartError {
  override readonly name = 'ConfigError';

  readonly problems: readonly string[];

  constructor({ problems, warnings }: Pick<Settings, 'problems' | 'warnings'>) {
    const lines = [...problems, ...warnings].map((line) => `  ${line}`);
    super('CONFIGURATION', `The configuration is invalid:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

/** What was found in the sources of settings, valid or not. */
export interface Settings extends Found {
  /** Absent when there are problems. */
  readonly config?: Config;
  readonly sites: readonly Site[];
}

/** Reads the settings, without throwing: the problems are part of the result. */
export function readSettings(sources: Sources): Settings {
  const found = findSettings(sources);
  const { variables, placeOf } = found;
  const toLine = ([name, problem]: Problem): string => `${placeOf(name)}: ${problem}`;
  const parsed = environment.safeParse(variables);
  const { sites, problems: siteProblems, warnings, files } = readSites(variables, placeOf);
  const problems = [
    ...found.problems,
    ...(parsed.success ? [] : parsed.error.issues.map(({ path, message }) => toLine([path.join('.'), message]))),
    ...secretProblems(variables).map(toLine),
    ...siteProblems,
    ...(parsed.success ? combinationProblems(parsed.data).map(toLine) : []),
  ];
  return {
    ...found,
    sites,
    problems,
    warnings: [...found.warnings, ...warnings],
    files: [...found.files, ...files],
    ...(parsed.success && problems.length === 0 && { config: toConfig(parsed.data, sites) }),
  };
}

/**
 * Reads the configuration from the environment and the configuration files.
 * @param envFile path of a `.env`; absent: none is read
 * @throws ConfigError naming all invalid variables
 */
export function readConfig(env: Sources['env'], envFile?: string): Config {
  const settings = readSettings({ env, ...(envFile !== undefined && { envFile }) });
  if (settings.config === undefined) throw new ConfigError(settings);
  return settings.config;
}
