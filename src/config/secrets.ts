/** HS256 gains nothing from longer secrets (RFC 7518, 3.2). */
const SECRET_BYTES_MIN = 32;
/** 128 bits. Enough for keys that are compared, not used for cryptography. */
const API_KEY_BYTES_MIN = 16;
/** Each token may be verified with each secret, and each call is compared with each key. */
const SECRETS_MAX = 20;

const BLANK = 'is blank';
const EASY = 'is easy to guess; make one with: openssl rand -hex 32';

/** A variable and its problem. */
export type Problem = readonly [variable: string, problem: string];

/** Splits a list of secrets, which are separated by commas. Ignores blanks around them, and empty ones. */
export const toSecrets = (text: string): string[] =>
  text
    .split(',')
    .map((secret) => secret.trim())
    .filter((secret) => secret !== '');

/** The problem of the API keys of a backend or a site, without quoting one; `undefined`: none. */
export function apiKeyProblem(keys: readonly string[], isProduction: boolean): string | undefined {
  const short = `a key needs at least ${API_KEY_BYTES_MIN} bytes in production`;
  return problemOf(keys, isProduction ? { bytesMin: API_KEY_BYTES_MIN, short } : undefined);
}

/** A key of the console, and what its sessions may do. */
export interface ConsoleKey {
  readonly name: string;
  readonly access: 'read' | 'act';
  readonly key: string;
}

const CONSOLE_KEY = /^(?<name>[\w.-]{1,64}):(?<access>read|act):(?<key>.{1,1024})$/;

/** Reads `name:access:key`. @throws Error for another form, without quoting it */
export function toConsoleKey(text: string): ConsoleKey {
  const { name, access, key } = CONSOLE_KEY.exec(text)?.groups ?? {};
  if (name === undefined || key === undefined) throw new Error('not a key of the console');
  return { name, access: access === 'act' ? 'act' : 'read', key: key.trim() };
}

/** The problem of the keys of the console, without quoting one; `undefined`: none. */
function consoleKeyProblem(texts: readonly string[], apiKeys: readonly string[], isProduction: boolean) {
  if (!texts.every((text) => CONSOLE_KEY.test(text))) {
    return 'must hold name:access:key, with a name of A-Z a-z 0-9 _ . - and the access read or act';
  }
  const keys = texts.map((text) => toConsoleKey(text).key);
  if (new Set(keys).size < keys.length) return 'holds a key twice';
  // It could act, whatever its access says.
  if (keys.some((key) => apiKeys.includes(key))) return 'holds a key that is one of EMIT_API_KEYS';
  return apiKeyProblem(keys, isProduction);
}

function tokenSecretProblem(secrets: readonly string[], isProduction: boolean): string | undefined {
  const short = `a secret needs at least ${SECRET_BYTES_MIN} bytes in production`;
  return problemOf(secrets, isProduction ? { bytesMin: SECRET_BYTES_MIN, short } : undefined);
}

/** @param limits of production; absent: weak secrets are accepted */
function problemOf(
  secrets: readonly string[],
  limits: { readonly bytesMin: number; readonly short: string } | undefined,
): string | undefined {
  if (secrets.length === 0 || secrets.some((secret) => secret.trim() === '')) return BLANK;
  if (secrets.length > SECRETS_MAX) return `has more than ${SECRETS_MAX} values`;
  if (limits === undefined) return undefined;
  const trimmed = secrets.map((secret) => secret.trim());
  if (trimmed.some((secret) => Buffer.byteLength(secret) < limits.bytesMin)) return limits.short;
  return trimmed.some((secret) => isEasy(secret, limits.bytesMin)) ? EASY : undefined;
}

const PLACEHOLDER =
  /^(?:change|replace|insert|put|your|my|our|some|example|sample|default|test|todo)(?:[^a-z]|bit)*(?:me|this|your|super|secret|key|jwt|api|token|password|here)/i;

/** A repeated text, as `passwordpassword`, is as strong as the text alone. Placeholders of examples are known to everyone. */
const isEasy = (secret: string, bytesMin: number): boolean =>
  Buffer.byteLength(secret.slice(0, periodOf(secret))) < bytesMin || PLACEHOLDER.test(secret);

/** The length of the shortest text whose repetition, possibly cut off at the end, is the whole text. */
function periodOf(text: string): number {
  const borders = [0];
  let border = 0;
  for (let index = 1; index < text.length; index += 1) {
    while (border > 0 && text[index] !== text[border]) border = borders[border - 1] ?? 0;
    if (text[index] === text[border]) border += 1;
    borders.push(border);
  }
  return text.length - border;
}

/**
 * Checks the secrets of the gateway and the trusted token issuers. Production requires secrets that cannot be guessed.
 * The problems never quote a value.
 * @param variables without empty values
 */
export function secretProblems(variables: Readonly<Record<string, string>>): Problem[] {
  const isProduction = variables['NODE_ENV'] === 'production';
  const lists: Readonly<Record<string, readonly string[]>> = {
    JWT_SECRET: [variables['JWT_SECRET'] ?? ''],
    JWT_SECRETS: toSecrets(variables['JWT_SECRETS'] ?? ''),
    EMIT_API_KEYS: toSecrets(variables['EMIT_API_KEYS'] ?? ''),
  };
  const problems = Object.entries(lists).flatMap(([name, secrets]): Problem[] => {
    if (variables[name] === undefined) return [];
    const problem = (name === 'EMIT_API_KEYS' ? apiKeyProblem : tokenSecretProblem)(secrets, isProduction);
    return problem === undefined ? [] : [[name, problem]];
  });
  const consoleKeys = variables['CONSOLE_KEYS'];
  const ofConsole =
    consoleKeys === undefined
      ? undefined
      : consoleKeyProblem(toSecrets(consoleKeys), lists['EMIT_API_KEYS'] ?? [], isProduction);
  const found: Problem[] = ofConsole === undefined ? problems : [...problems, ['CONSOLE_KEYS', ofConsole]];
  return isProduction ? [...found, ...missingInProduction(variables)] : found;
}

function missingInProduction(variables: Readonly<Record<string, string>>): Problem[] {
  const { JWT_SECRET, JWT_SECRETS, EMIT_API_KEYS, EMIT_AUTH, JWKS_URL, JWT_AUDIENCE } = variables;
  const problems: Problem[] = [];
  if (JWT_SECRET === undefined && JWT_SECRETS === undefined && JWKS_URL === undefined) {
    problems.push(['JWT_SECRET', 'production needs the secret of the user tokens (or JWKS_URL)']);
  }
  if (JWKS_URL !== undefined && !/^https:/i.test(JWKS_URL)) {
    problems.push(['JWKS_URL', 'production needs https: an attacker on the network could replace the keys']);
  }
  if (JWKS_URL !== undefined && JWT_AUDIENCE === undefined) {
    const why = 'production needs the audience of this gateway with JWKS_URL, or takes the tokens of every application';
    problems.push(['JWT_AUDIENCE', `${why} (* if that is wanted)`]);
  }
  if (EMIT_API_KEYS === undefined && EMIT_AUTH !== 'none') {
    const way = '(or EMIT_AUTH=none if it is to be open)';
    problems.push(['EMIT_API_KEYS', `production needs at least one key for REST ${way}`]);
  }
  if (variables['CONSOLE'] === 'on' && EMIT_API_KEYS === undefined && variables['CONSOLE_KEYS'] === undefined) {
    problems.push(['CONSOLE_KEYS', 'production needs a key for the console, which CONSOLE turns on']);
  }
  return problems;
}
