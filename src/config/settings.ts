import { isMap, readYamlFile } from './yaml-file.js';

/** What `config.yml` calls the variables. */
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

/** Understood, and without meaning here: message ids need no settings, and deployment is not the gateway's own. */
const WITHOUT_MEANING = ['flakeid.datacenter', 'flakeid.worker', 'servers'];

/** The settings of `config.yml` for one environment. */
export interface FileSettings {
  /** By the names of the environment. */
  readonly variables: Readonly<Record<string, string>>;
  /** Where a variable was set, for whoever has to change it. */
  placeOf(variable: string): string;
  readonly problems: readonly string[];
}

/**
 * Reads the section of `config.yml` that is called as `NODE_ENV`, or `production` when that is unset.
 * @param env what is set; `CONFIG_FILE` names another file
 * @param isVariable says which names in capitals are settings
 */
export function readSettings(
  env: Readonly<Record<string, string>>,
  isVariable: (name: string) => boolean,
): FileSettings {
  const path = env['CONFIG_FILE'] ?? 'config.yml';
  const section = env['NODE_ENV'] ?? 'production';
  const { content, problems } = readYamlFile(path, env['CONFIG_FILE'] !== undefined);
  const variables: Record<string, string> = {};
  const places = new Map<string, string>();
  const unknown: string[] = [];
  for (const [key, value] of flatten(content?.[section] ?? {})) {
    const place = `${path}: ${[section, key].filter((part) => part !== '').join('.')}`;
    const variable = Object.hasOwn(VARIABLES, key) ? VARIABLES[key] : isVariable(key) ? key : undefined;
    if (variable === undefined) {
      if (!WITHOUT_MEANING.includes(key)) unknown.push(`${place}: ${key === '' ? 'must be a map' : 'no such setting'}`);
    } else if (value !== '') {
      variables[variable] = value;
      places.set(variable, place);
    }
  }
  return {
    variables,
    placeOf: (variable) => (env[variable] === undefined ? (places.get(variable) ?? variable) : variable),
    problems: [...problems, ...unknown],
  };
}

/** The values of nested maps by their dotted paths; a list is joined by commas, as in the environment. */
function* flatten(value: unknown, path: readonly string[] = []): Generator<[string, string]> {
  if (isMap(value)) for (const [key, inner] of Object.entries(value)) yield* flatten(inner, [...path, key]);
  else if (value !== '' || path.length > 0)
    yield [path.join('.'), Array.isArray(value) ? value.join(',') : String(value)];
}
