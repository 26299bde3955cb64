import jwt from 'jsonwebtoken';
import { ensureDevelopmentSecret } from '../src/auth/development-secret.js';
import type { Config } from '../src/config.js';

/** Signs claims as the platform does. Omits undefined claims. */
export type SignToken = (claims: Record<string, unknown>, expiresIn: string) => string;

/**
 * Signs tokens with the gateway's secret, or the development secret.
 * @throws Error when the gateway accepts tokens of another issuer
 */
export async function createSignToken({ auth, storage }: Pick<Config, 'auth' | 'storage'>): Promise<SignToken> {
  if (auth.jwksUrl !== undefined) {
    throw new Error('JWKS_URL is set: tokens are issued by the owner of those keys and cannot be created here.');
  }
  const { issuers, audiences } = auth.expected;
  // Adds the claims that the gateway requires.
  const expected = { iss: issuers[0], aud: audiences[0] };
  const secret = auth.jwtSecrets[0] ?? (await ensureDevelopmentSecret(storage.directory));
  return (claims, expiresIn) =>
    jwt.sign(JSON.parse(JSON.stringify({ ...expected, ...claims })), secret, {
      expiresIn: expiresIn as NonNullable<jwt.SignOptions['expiresIn']>,
    });
}
