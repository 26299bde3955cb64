/** HS256 gains nothing from longer secrets (RFC 7518, 3.2). */
const SECRET_BYTES_MIN = 32;
/** 128 bits. Enough for keys that are compared, not used for cryptography. */
export const API_KEY_BYTES_MIN = 16;

/** The problem of a blank secret or key. */
export const BLANK = 'is blank';
/** The problem of an API key that is too short for production. */
export const SHORT_API_KEY = `a key needs at least ${API_KEY_BYTES_MIN} bytes in production`;

/** Whether a text consists of blanks only. */
export const isBlank = (text: string): boolean => text.trim() === '';
export const isShort = (text: string, bytesMin: number): boolean => Buffer.byteLength(text.trim()) < bytesMin;

/** A variable and its problem. */
export type Problem = readonly [variable: string, problem: string];

/**
 * Checks the secrets of the gateway and the trusted token issuers. Production requires secrets that cannot be guessed.
 * The problems never quote a value.
 * @param variables without empty values
 */
export function secretProblems(variables: Readonly<Record<string, string>>): Problem[] {
  const { JWT_SECRET, EMIT_API_KEYS } = variables;
  const blank = Object.entries({ JWT_SECRET, EMIT_API_KEYS })
    .filter(([, value]) => value !== undefined && isBlank(value.replaceAll(',', '')))
    .map(([name]): Problem => [name, BLANK]);
  if (variables['NODE_ENV'] !== 'production') return blank;
  const isNamed = (name: string): boolean => blank.some(([variable]) => variable === name);
  const weak = productionProblems(variables).filter(([variable]) => !isNamed(variable));
  return [...blank, ...weak];
}

function productionProblems(variables: Readonly<Record<string, string>>): Problem[] {
  const { JWT_SECRET, EMIT_API_KEYS, EMIT_AUTH, JWKS_URL, JWT_AUDIENCE } = variables;
  const problems: Problem[] = [];
  if (JWT_SECRET === undefined && JWKS_URL === undefined) {
    problems.push(['JWT_SECRET', 'production needs the secret of the user tokens (or JWKS_URL)']);
  }
  if (JWT_SECRET !== undefined && isShort(JWT_SECRET, SECRET_BYTES_MIN)) {
    problems.push(['JWT_SECRET', `a secret needs at least ${SECRET_BYTES_MIN} bytes in production`]);
  }
  if (JWKS_URL !== undefined && !/^https:/i.test(JWKS_URL)) {
    problems.push(['JWKS_URL', 'production needs https: an attacker on the network could replace the keys']);
  }
  if (JWKS_URL !== undefined && JWT_AUDIENCE === undefined) {
    const why =
      'production needs the audience of this gateway beside JWKS_URL, or takes the tokens of every application';
    problems.push(['JWT_AUDIENCE', `${why} (* if that is wanted)`]);
  }
  if (EMIT_API_KEYS === undefined && EMIT_AUTH !== 'none') {
    const way = '(or EMIT_AUTH=none if it is to be open)';
    problems.push(['EMIT_API_KEYS', `production needs at least one key for REST ${way}`]);
  }
  const keys = (EMIT_API_KEYS ?? '').split(',').filter((key) => !isBlank(key));
  if (keys.some((key) => isShort(key, API_KEY_BYTES_MIN))) problems.push(['EMIT_API_KEYS', SHORT_API_KEY]);
  return problems;
}
