import type { LiveSecrets } from '../config/live-secrets.js';
import type { Config } from '../config.js';
import type { Cleanup } from '../platform/cleanup.js';
import { toDataDirectoryError } from '../platform/data-directory.js';
import type { Logger } from '../platform/logging/logger.js';
import type { Clock } from '../platform/time/clock.js';
import { ensureDevelopmentSecret } from './development-secret.js';
import { createKeySet } from './key-set.js';
import { createTokenSecrets, type TokenSecrets } from './token-secrets.js';
import { createTokenVerifier, type TokenVerifier } from './verifier.js';

/** The verifier of tokens, and the secrets that it accepts. */
export interface Verification {
  readonly verifier: TokenVerifier;
  readonly tokenSecrets: TokenSecrets;
}

interface Dependencies {
  readonly secrets: LiveSecrets;
  readonly clock: Clock;
  readonly steadyClock: Clock;
  readonly logger: Logger;
  readonly cleanup: Cleanup;
}

/** The configured verifier: with a key set, else with secrets, else (never in production) with a generated secret. */
export async function configureVerifier(
  { auth, storage }: Config,
  { secrets, clock, steadyClock, logger, cleanup }: Dependencies,
): Promise<Verification> {
  const { expected } = auth;
  if (auth.jwksUrl !== undefined) {
    const jwks = createKeySet({ url: auth.jwksUrl, clock: steadyClock, logger });
    cleanup.add('key set', () => jwks.close());
    return { verifier: createTokenVerifier({ jwks, clock, expected }), tokenSecrets: createTokenSecrets(() => []) };
  }
  const generated = auth.jwtSecrets.length > 0 ? [] : [await generatedSecret(storage.directory)];
  const tokenSecrets = createTokenSecrets(() => {
    const { tokenSecrets: configured } = secrets.values;
    return configured.length > 0 ? configured : generated;
  });
  return { verifier: createTokenVerifier({ secrets: tokenSecrets, clock, expected }), tokenSecrets };
}

const generatedSecret = (directory: string): Promise<string> =>
  ensureDevelopmentSecret(directory).catch((error: unknown) => {
    throw toDataDirectoryError(error, directory);
  });
