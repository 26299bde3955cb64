import { isMap, readYamlFile } from './yaml-file.js';

/** Keys of `config.yml` and the variables that they set. */
const VARIABLES: Readonly<Record<string, string>> = {
  port: 'PORT',
  device_ttl: 'DEVICE_TTL',
  'redis.url': 'REDIS_URL',
  'io.pingInterval': 'PING_INTERVAL_MS',
  'io.pingTimeout': 'PING_TIMEOUT_MS',
  'io.maxHttpBufferSize': 'SOCKET_MESSAGE_MAX',
  'io.transports': 'SOCKET_TRANSPORTS',
  'io.allowEIO3': 'ALLOW_EIO3',
};

/** Settings of the original system that are accepted and ignored. */
const IGNORED = ['flakeid.datacenter', 'flakeid.worker', 'servers'];

/** The settings of `config.yml` for one environment. */
export interface FileSettings {
  /** Path of the file, which may be missing. */
  readonly path: string;
  /** Values by the name of the environment variable. */
  readonly variables: Readonly<Record<string, string>>;
  /** Where a variable was set, for messages. */
  placeOf(variable: string): string;
  readonly problems: readonly string[];
}

/**
 * Reads the section of `config.yml` named by `NODE_ENV`; default: `production`.
 * @param env the environment; `CONFIG_FILE` overrides the path
 * @param isVariable whether a name is an environment variable of the gateway
 * @param placeOf where a variable of `env` is set, for messages
 */
export function readConfigFile(
  env: Readonly<Record<string, string>>,
  isVariable: (name: string) => boolean,
  placeOf = (variable: string): string => variable,
): FileSettings {
  const path = env['CONFIG_FILE'] ?? 'config.yml';
  const section = env['NODE_ENV'] ?? 'production';
  const { content, problems } = readYamlFile(path, env['CONFIG_FILE'] && placeOf('CONFIG_FILE'));
  const variables: Record<string, string> = {};
  const places = new Map<string, string>();
  const unknown: string[] = [];
  for (const [key, value] of flatten(content?.[section] ?? {})) {
    const place = `${path}: ${[section, key].filter((part) => part !== '').join('.')}`;
    const variable = variableOf(key, isVariable);
    if (variable !== undefined && value !== '') {
      variables[variable] = value;
      places.set(variable, place);
    }
    if (variable === undefined && !IGNORED.includes(key)) unknown.push(`${place}: ${problemOf(key)}`);
  }
  return {
    path,
    variables,
    placeOf: (variable) => (env[variable] === undefined ? (places.get(variable) ?? variable) : placeOf(variable)),
    problems: [...problems, ...unknown],
  };
}

/** The variable that a key sets; `undefined` for an unknown key. */
function variableOf(key: string, isVariable: (name: string) => boolean): string | undefined {
  if (Object.hasOwn(VARIABLES, key)) return VARIABLES[key];
  return isVariable(key) ? key : undefined;
}

const problemOf = (key: string): string => (key === '' ? 'must be a map' : 'no such setting');

/** Flattens nested maps to dotted paths. Joins lists with commas, as in the environment. */
function* flatten(value: unknown, path: readonly string[] = []): Generator<[string, string]> {
  if (isMap(value)) for (const [key, inner] of Object.entries(value)) yield* flatten(inner, [...path, key]);
  else if (value !== '' || path.length > 0)
    yield [path.join('.'), Array.isArray(value) ? value.join(',') : String(value)];
}
