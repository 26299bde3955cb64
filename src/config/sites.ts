import { z } from 'zod';
import { reservedSiteNames } from '#shared/contracts/namespaces.js';
import { API_KEY_BYTES_MIN, BLANK, isBlank, isShort, SHORT_API_KEY } from './secrets.js';
import { isMap, readYamlFile } from './yaml-file.js';

const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .refine((url) => !/^https?:\/\/[^/]*@/.test(url), 'must not contain a user or password');

const siteKeys = z.strictObject({
  /** Endpoint that returns the rooms of the holder of a token. */
  authUrl: httpUrl,
  /** The scheme of the `Authorization` header. */
  authScheme: z
    .string()
    .regex(/^[\w!#$%&'*+.^`|~-]+$/, 'must be one word')
    .default('Bearer'),
  /** Key with which the site authenticates. */
  apiKey: z
    .string()
    .max(256)
    .refine((key) => !isBlank(key), BLANK),
  /** Prefix of the rooms of single users. Absent: messages are not stored, and all rooms are plain rooms. */
  userRoomPrefix: z.string().max(64).optional(),
  /** Called when users connect and disconnect. `:id` is replaced by the room name without the prefix. */
  updateUserUrl: httpUrl.refine((url) => url.includes(':id'), 'must contain :id').optional(),
  /** Room for clients without a token. */
  publicChannel: z.string().max(256).optional(),
});

/** A push site: a namespace whose users are authenticated by the site's own website. */
export type Site = Readonly<{ name: string } & z.output<typeof siteKeys>>;

/** The valid sites, and the problems of invalid ones. */
export interface Sites {
  readonly sites: readonly Site[];
  readonly problems: readonly string[];
}

/** The environment variables of the keys of a site. */
const VARIABLES: Readonly<Record<keyof z.output<typeof siteKeys>, string>> = {
  authUrl: 'AUTH_URL',
  authScheme: 'AUTH_SCHEME',
  apiKey: 'API_KEY',
  userRoomPrefix: 'USER_ROOM_PREFIX',
  updateUserUrl: 'UPDATE_USER_URL',
  publicChannel: 'PUBLIC_CHANNEL',
};

/** Reads the site in the environment and the sites in `sites.yml` or `SITES_FILE`. */
export function readSites(env: Readonly<Record<string, string>>): Sites {
  const path = env['SITES_FILE'] ?? 'sites.yml';
  const file = readYamlFile(path, env['SITES_FILE'] !== undefined);
  const isProduction = env['NODE_ENV'] === 'production';
  const own = fromEnvironment(env, isProduction);
  const listed = Object.entries(file.content ?? {}).map(([name, keys]) =>
    toSite(name, keys, {
      isProduction,
      placeOf: (key) => `${path}: ${key === undefined ? name : `${name}.${key}`}`,
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
  };
}

interface Found {
  readonly site?: Site;
  readonly problems: readonly string[];
}

function fromEnvironment(env: Readonly<Record<string, string>>, isProduction: boolean): Found[] {
  const name = env['SITE_NAME'];
  if (name === undefined) {
    return env['AUTH_URL'] === undefined ? [] : [{ problems: ['SITE_NAME: AUTH_URL has no effect without it'] }];
  }
  const keys = Object.fromEntries(Object.entries(VARIABLES).map(([key, variable]) => [key, env[variable]]));
  return [
    toSite(name, keys, {
      isProduction,
      placeOf: (key) => (key === undefined ? 'SITE_NAME' : ((VARIABLES as Record<string, string>)[key] ?? key)),
    }),
  ];
}

interface Origin {
  isProduction: boolean;
  /** Where a key is set; without `key`, where the name is. */
  placeOf(key?: string): string;
}

function toSite(name: string, keys: unknown, { isProduction, placeOf }: Origin): Found {
  const problems = nameProblems(name).map((problem) => `${placeOf()}: ${problem}`);
  if (!isMap(keys)) return { problems: [...problems, `${placeOf()}: must be a map`] };
  // An empty value counts as absent, as in the environment.
  const present = Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== '' && value !== undefined));
  const parsed = siteKeys.safeParse(present);
  if (!parsed.success) {
    return { problems: [...problems, ...parsed.error.issues.flatMap((issue) => toLines(issue, present, placeOf))] };
  }
  const weak: [string, string][] =
    isProduction && isShort(parsed.data.apiKey, API_KEY_BYTES_MIN) ? [['apiKey', SHORT_API_KEY]] : [];
  const conflicts = [...weak, ...conflictsOf(parsed.data)].map(([key, problem]) => `${placeOf(key)}: ${problem}`);
  if (problems.length + conflicts.length > 0) return { problems: [...problems, ...conflicts] };
  return { site: Object.freeze({ name, ...parsed.data }), problems: [] };
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

function conflictsOf({ userRoomPrefix, updateUserUrl, publicChannel }: z.output<typeof siteKeys>): [string, string][] {
  const conflicts: [string, string][] = [];
  if (updateUserUrl !== undefined && userRoomPrefix === undefined) {
    conflicts.push(['updateUserUrl', 'requires a userRoomPrefix']);
  }
  if (userRoomPrefix !== undefined && publicChannel?.startsWith(userRoomPrefix)) {
    conflicts.push(['publicChannel', 'must not begin with the userRoomPrefix']);
  }
  return conflicts;
}
