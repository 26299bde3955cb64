import type { Config } from '../config.js';
import type { Cleanup } from '../platform/cleanup.js';
import type { Clock } from '../platform/clock.js';
import type { Logger } from '../platform/logger.js';
import { ensureDevelopmentSecret } from './development-secret.js';
import { createKeySet } from './key-set.js';
import { createTokenVerifier, type TokenVerifier } from './verifier.js';

/** The configured verifier: with a key set, else a secret, else (never in production) a generated secret. */
export async function configureVerifier(
  { auth, storage }: Config,
  { clock, logger, cleanup }: { clock: Clock; logger: Logger; cleanup: Cleanup },
): Promise<TokenVerifier> {
  const { expected } = auth;
  if (auth.jwksUrl !== undefined) {
    const jwks = createKeySet({ url: auth.jwksUrl, clock, logger });
    cleanup.add('key set', () => jwks.close());
    return createTokenVerifier({ jwks, clock, expected });
  }
  const secret = auth.jwtSecret ?? (await ensureDevelopmentSecret(storage.directory));
  return createTokenVerifier({ secret, clock, expected });
}
