import { z } from 'zod';
import { reservedSiteNames } from '#shared/contracts/namespaces.js';
import { readSiteKeys } from './site-keys.js';
import { httpUrl, text } from './values.js';
import { isMap, readYamlFile } from './yaml-file.js';

const siteUrl = httpUrl().refine((url) => !/^https?:\/\/[^/]*@/.test(url), 'must not contain a user or password');

const siteFields = z.strictObject({
  /** Endpoint that returns the rooms of the holder of a token. */
  authUrl: siteUrl,
  /** The scheme of the `Authorization` header. */
  authScheme: z
    .string()
    .regex(/^[\w!#$%&'*+.^`|~-]+$/, 'must be one word')
    .default('Bearer'),
  /** Prefix of the rooms of single users. Absent: messages are not stored, and all rooms are plain rooms. */
  userRoomPrefix: text(64).optional(),
  /** Called when users connect and disconnect. `:id` is replaced by the room name without the prefix. */
  updateUserUrl: siteUrl.refine((url) => url.includes(':id'), 'must contain :id').optional(),
  /** Room for clients without a token. */
  publicChannel: text(256).optional(),
});

/** A push site: a namespace whose users are authenticated by the site's own website. */
export type Site = Readonly<
  {
    name: string;
    /** Keys by which the website sends. Any of them is accepted; the first one is the newest. */
    apiKeys: readonly string[];
  } & z.output<typeof siteFields>
>;

/** The valid sites, and the problems of invalid ones. */
export interface Sites {
  readonly sites: readonly Site[];
  readonly problems: readonly string[];
  /** Settings of the site in the environment, when there is none. Other programs have variables of these names too. */
  readonly warnings: readonly string[];
  /** Paths of all files that were read, or would have been if they existed. */
  readonly files: readonly string[];
}

/** The environment variables of the fields of a site. */
const VARIABLES: Readonly<Record<string, string>> = {
  authUrl: 'AUTH_URL',
  authScheme: 'AUTH_SCHEME',
  apiKey: 'API_KEY',
  apiKeys: 'API_KEYS',
  userRoomPrefix: 'USER_ROOM_PREFIX',
  updateUserUrl: 'UPDATE_USER_URL',
  publicChannel: 'PUBLIC_CHANNEL',
};

/**
 * Reads the site in the environment and the sites in `sites.yml` or `SITES_FILE`.
 * @param env the settings, without empty ones
 * @param placeOf where a setting is, for messages
 */
export function readSites(
  env: Readonly<Record<string, string>>,
  placeOf = (variable: string): string => variable,
): Sites {
  const path = env['SITES_FILE'] ?? 'sites.yml';
  const file = readYamlFile(path, env['SITES_FILE'] && placeOf('SITES_FILE'));
  const isProduction = env['NODE_ENV'] === 'production';
  const own = fromEnvironment(env, { isProduction, placeOf });
  const listed = Object.entries(file.content ?? {}).map(([name, fields]) =>
    toSite(name, fields, {
      isProduction,
      placeOf: (field) => `${path}: ${field === undefined ? name : `${name}.${field}`}`,
    }),
  );
  const found = [...own, ...listed];
  const sites = found.flatMap(({ site }) => site ?? []);
  const isTwice = new Set(sites.map(({ name }) => name)).size < sites.length;
  return {
    sites,
    problems: [
      ...file.problems,
      ...found.flatMap(({ problems }) => problems),
      ...(isTwice ? [`SITE_NAME: ${path} has a site of this name too`] : []),
    ],
    warnings: env['SITE_NAME'] === undefined ? withoutEffect(env, placeOf) : [],
    files: [path, ...found.flatMap(({ files = [] }) => files)],
  };
}

interface Found {
  readonly site?: Site;
  readonly problems: readonly string[];
  readonly files?: readonly string[];
}

interface Origin {
  isProduction: boolean;
  /** Where a field is set; without `field`, where the name is. */
  placeOf(field?: string): string;
}

function fromEnvironment(
  env: Readonly<Record<string, string>>,
  { isProduction, placeOf }: { isProduction: boolean; placeOf(variable: string): string },
): Found[] {
  const name = env['SITE_NAME'];
  if (name === undefined) {
    return env['AUTH_URL'] === undefined ? [] : [{ problems: ['SITE_NAME: AUTH_URL has no effect without it'] }];
  }
  const fields = Object.fromEntries(Object.entries(VARIABLES).map(([field, variable]) => [field, env[variable]]));
  return [
    toSite(name, fields, {
      isProduction,
      placeOf: (field) => placeOf(field === undefined ? 'SITE_NAME' : (VARIABLES[field] ?? field)),
    }),
  ];
}

const withoutEffect = (env: Readonly<Record<string, string>>, placeOf: (variable: string) => string): string[] =>
  Object.values(VARIABLES)
    .filter((variable) => env[variable] !== undefined && variable !== 'AUTH_URL')
    .map((variable) => `${placeOf(variable)} has no effect without SITE_NAME`);

function toSite(name: string, fields: unknown, { isProduction, placeOf }: Origin): Found {
  const problems = nameProblems(name).map((problem) => `${placeOf()}: ${problem}`);
  if (!isMap(fields)) return { problems: [...problems, `${placeOf()}: must be a map`] };
  // An empty value counts as absent, as in the environment.
  const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== '' && value !== undefined));
  const { apiKey: _apiKey, apiKeys: _apiKeys, apiKeyFile: _apiKeyFile, ...others } = present;
  const parsed = siteFields.safeParse(others);
  const keys = readSiteKeys(present, isProduction);
  const { files } = keys;
  const found = [
    ...problems,
    ...(parsed.success ? [] : parsed.error.issues.flatMap((issue) => toLines(issue, present, placeOf))),
    ...[...keys.problems, ...(parsed.success ? conflictsOf(parsed.data) : [])].map(
      ([field, problem]) => `${placeOf(field)}: ${problem}`,
    ),
  ];
  if (!parsed.success || found.length > 0) return { problems: found, files };
  return { site: Object.freeze({ name, apiKeys: keys.apiKeys, ...parsed.data }), problems: [], files };
}

function toLines(issue: z.core.$ZodIssue, keys: object, placeOf: (key?: string) => string): string[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${placeOf(key)}: no such key`);
  const key = String(issue.path[0] ?? '');
  return [`${placeOf(key)}: ${Object.hasOwn(keys, key) ? issue.message : 'missing'}`];
}

function nameProblems(name: string): string[] {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name) || name === '__proto__') {
    return ['the name of a site is 1 to 64 characters of A-Z a-z 0-9 _ -'];
  }
  return reservedSiteNames.includes(name.toLowerCase()) ? ['this name is reserved by the gateway'] : [];
}

function conflictsOf({
  userRoomPrefix,
  updateUserUrl,
  publicChannel,
}: z.output<typeof siteFields>): [string, string][] {
  const conflicts: [string, string][] = [];
  if (updateUserUrl !== undefined && userRoomPrefix === undefined) {
    conflicts.push(['updateUserUrl', 'requires a userRoomPrefix']);
  }
  if (userRoomPrefix !== undefined && publicChannel?.startsWith(userRoomPrefix)) {
    conflicts.push(['publicChannel', 'must not begin with the userRoomPrefix']);
  }
  return conflicts;
}
