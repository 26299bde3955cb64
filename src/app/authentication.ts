import { createApiSessions } from '../auth/api-session.js';
import { createExpiryWatch } from '../auth/expiry.js';
import { createUserAuth } from '../auth/user.js';
import { configureVerifier } from '../auth/verification.js';
import { Revocations } from '../realtime/revocations.js';
import { everySocket, type GatewayServer } from '../sockets/socket.js';
import type { Base } from './base.js';
import type { Outside } from './outside.js';

/** Who may connect, and for how long: tokens, API sessions, revocations, expiry. */
export async function startAuthentication(base: Base, { models, cluster }: Outside, io: GatewayServer) {
  const { config, secrets, clock, steadyClock, logger, cleanup } = base;
  const { clockToleranceMs } = config.auth.expected;
  const { verifier, tokenSecrets } = await configureVerifier(config, { secrets, clock, steadyClock, logger, cleanup });
  const apiSessions = createApiSessions({ model: models.ApiSession, clock });
  const revocations = new Revocations({
    model: models.Revocation,
    bus: cluster.bus,
    clock,
    logger,
    tokenSecrets,
    sockets: () => everySocket(io),
  });
  secrets.onReplaced(() => revocations.recheck());
  cleanup.add('revocations', await revocations.start());
  const userAuth = createUserAuth({
    verifier,
    apiSessions,
    clock,
    clockToleranceMs,
    ensureAllowed: (principal) => revocations.ensureAllowed(principal),
  });
  const expiry = createExpiryWatch(clock, () => everySocket(io), clockToleranceMs);
  cleanup.add('expiry watch', expiry.stop);
  return { tokenSecrets, revocations, userAuth, expiry };
}
