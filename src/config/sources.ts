import { readConfigFile } from './config-file.js';
import { readEnvFile } from './env-file.js';
import { environment } from './groups/index.js';
import { nearestName } from './misspelt.js';
import { readSecretFiles } from './secret-files.js';
import { fileVariableOf, SECRETS } from './secret-names.js';

/** Where settings come from. */
export interface Sources {
  /** The environment of the process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path of the `.env`, which may be missing; absent: none is read. */
  readonly envFile?: string;
}

/** The settings as they were found, not parsed yet. */
export interface Found {
  /** By name, without empty ones. Secrets from files are among them. */
  readonly variables: Readonly<Record<string, string>>;
  /** The lines of `.env`, which hold settings of other programs too. */
  readonly lines: Readonly<Record<string, string>>;
  /** Where a setting is, for messages: its name, the name in a file, or the setting with the path of its file. */
  placeOf(variable: string): string;
  /** What sets it: `environment`, a file, or `default`. */
  originOf(variable: string): string;
  readonly problems: readonly string[];
  /** Names that have no effect, such as those that resemble a setting. */
  readonly warnings: readonly string[];
  /** Paths of all files that were read, or would have been if they existed. */
  readonly files: readonly string[];
}

type Values = Readonly<Record<string, string>>;

const NAMES = Object.keys(environment.shape);
const KNOWN = [...NAMES, ...Object.keys(SECRETS).map(fileVariableOf)];
/** Whether a name is a setting, or names the file of a secret. */
export const isKnown = (name: string): boolean => KNOWN.includes(name);

/** Finds the settings. The environment wins over `.env`, and `.env` over `config.yml`. */
export function findSettings({ env, envFile }: Sources): Found {
  const given = withoutEmpty(env);
  const inFile = envFile === undefined ? { values: {}, problems: [] } : readEnvFile(envFile);
  const lines = withoutEmpty(inFile.values);
  const near = { ...lines, ...given };
  const isOfEnvFile = (variable: string): boolean => given[variable] === undefined && lines[variable] !== undefined;
  const configFile = readConfigFile(near, isKnown, (variable) =>
    isOfEnvFile(variable) ? `${envFile}: ${variable}` : variable,
  );
  const named: Values = { ...configFile.variables, ...near };
  const secrets = readSecretFiles(named);
  const variables: Values = { ...named, ...secrets.values };

  const placeOf = (variable: string): string => {
    if (secrets.values[variable] !== undefined) return placeOf(fileVariableOf(variable));
    return configFile.placeOf(variable);
  };
  const originOf = (variable: string): string => {
    const path = secrets.paths[variable];
    if (path !== undefined && secrets.values[variable] !== undefined) return path;
    if (given[variable] !== undefined) return 'environment';
    if (lines[variable] !== undefined) return envFile ?? '';
    return configFile.variables[variable] === undefined ? 'default' : configFile.path;
  };
  return {
    variables,
    lines,
    placeOf,
    originOf,
    problems: [
      ...inFile.problems,
      ...configFile.problems,
      ...secrets.problems.map(([variable, problem]) => `${placeOf(variable)}: ${problem}`),
    ],
    warnings: [...toWarnings(Object.keys(given), ''), ...toWarnings(Object.keys(lines), `${envFile}: `)],
    files: [...(envFile === undefined ? [] : [envFile]), configFile.path, ...Object.values(secrets.paths)],
  };
}

/** An empty value counts as absent. */
function withoutEmpty(values: Readonly<Record<string, string | undefined>>): Values {
  const isSet = (pair: [string, string | undefined]): pair is [string, string] =>
    pair[1] !== undefined && pair[1] !== '';
  return Object.fromEntries(Object.entries(values).filter(isSet));
}

function toWarnings(names: readonly string[], place: string): string[] {
  return names.flatMap((name) => {
    if (isKnown(name)) return [];
    const base = name.replace(/_FILE$/, '');
    if (base !== name && NAMES.includes(base)) {
      return [`${place}${name} has no effect: ${base} is no secret and cannot come from a file`];
    }
    const nearest = nearestName(name, KNOWN);
    return nearest === undefined ? [] : [`${place}${name} has no effect; did you mean ${nearest}?`];
  });
}
