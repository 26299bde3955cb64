import jwt from 'jsonwebtoken';
import { ensureDevelopmentSecret } from '../src/auth/development-secret.js';
import type { Config } from '../src/config.js';

/** Signs the claims of a user, as the platform does. Claims that are undefined are left out. */
export type SignToken = (claims: Record<string, unknown>, expiresIn: string) => string;

/**
 * Makes tokens with the gateway's own secret, or with the development secret.
 * @throws Error when the gateway takes tokens of another issuer
 */
export async function createSignToken({ auth, storage }: Pick<Config, 'auth' | 'storage'>): Promise<SignToken> {
  if (auth.jwksUrl !== undefined) {
    throw new Error('JWKS_URL is set: tokens come from the issuer of those keys, none can be made here.');
  }
  const { issuers, audiences } = auth.expected;
  // What the gateway asks of the tokens of others, its own have too.
  const expected = { iss: issuers[0], aud: audiences[0] };
  const secret = auth.jwtSecret ?? (await ensureDevelopmentSecret(storage.directory));
  return (claims, expiresIn) =>
    jwt.sign(JSON.parse(JSON.stringify({ ...expected, ...claims })), secret, {
      expiresIn: expiresIn as NonNullable<jwt.SignOptions['expiresIn']>,
    });
}
