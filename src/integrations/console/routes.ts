import { SignJWT } from 'jose';
import { CONSOLE_COOKIE, type consoleApi, logInLimits } from '#shared/contracts/console.js';
import { GatewayError } from '../../errors.js';
import type { Context } from '../../framework/context.js';
import type { RouteHandlers } from '../../framework/routes.js';
import { versions } from '../../platform/version.js';
import { SESSION_MS, type Session } from './cookie.js';
import type { Sessions } from './sessions.js';
import type { Visits } from './visits.js';

const TOKEN_SECONDS = 3600;

/** Handlers of the routes that belong to the console itself. */
export function createRoutes(
  context: Context,
  { sessions, visits }: { readonly sessions: Sessions; readonly visits: Visits },
): RouteHandlers<typeof consoleApi> {
  const { config, clock, limiter, localNode, logger, tokenSecrets } = context;
  const isDevelopment = !config.isProduction;

  const toOpened = ({ name, access, expiresAt }: Session) => ({
    name,
    access,
    isOpen: expiresAt === null,
    expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    hasPayloads: config.console.hasPayloads,
    isDevelopment,
    version: versions.version,
    node: config.nodeName,
    nodeId: localNode.id,
  });
  const cookieOptions = { path: '/console', httpOnly: true, sameSite: 'strict' } as const;

  return {
    async session({ request }) {
      const { session } = visits.ensure(request);
      return session === undefined ? { access: null, isDevelopment } : toOpened(session);
    },

    async logIn({ body, request, response }) {
      const { address, isSecure } = visits.ensure(request);
      await limiter.consume({ name: 'console log-ins of an address', key: address, limit: logInLimits.address });
      await limiter.consume({ name: 'console log-ins of a node', key: localNode.id, limit: logInLimits.node });
      const key = sessions.keyOf(body.key);
      if (key === undefined) {
        const message = 'the key is not one of CONSOLE_KEYS or EMIT_API_KEYS';
        throw new GatewayError('INVALID_API_KEY', { details: [{ path: 'key', message }] });
      }
      const { session, cookie } = sessions.open(key);
      const secure = isSecure || request.secure;
      response.cookie(CONSOLE_COOKIE, cookie, { ...cookieOptions, secure, maxAge: SESSION_MS });
      logger.info({ key: `console:${key.name}`, access: key.access, address }, 'a session of the console began');
      return toOpened(session);
    },

    async logOut({ request, response }) {
      const { session, address } = visits.ensure(request);
      response.clearCookie(CONSOLE_COOKIE, cookieOptions);
      if (session === undefined || session.expiresAt === null) return;
      logger.info({ key: `console:${session.name}`, address }, 'a session of the console was ended');
    },

    async token({ body: { uid, scope, account_id } }) {
      if (config.isProduction) throw new GatewayError('NOT_FOUND');
      const [secret] = tokenSecrets.current();
      if (secret === undefined) {
        const message = 'JWKS_URL is set: tokens are issued by the owner of those keys';
        throw new GatewayError('CONFLICT', { details: [{ path: '', message }] });
      }
      const { issuers, audiences } = config.auth.expected;
      const now = Math.floor(clock.now() / 1000);
      const claims = { uid, scope, ...(account_id !== undefined && { account_id }) };
      const token = new SignJWT({ ...claims, iat: now, exp: now + TOKEN_SECONDS }).setProtectedHeader({ alg: 'HS256' });
      if (issuers[0] !== undefined) token.setIssuer(issuers[0]);
      if (audiences[0] !== undefined) token.setAudience(audiences[0]);
      return { token: await token.sign(secret.key) };
    },
  };
}
