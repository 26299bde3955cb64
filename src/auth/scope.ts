import { GatewayError } from '../errors.js';
import type { Principal } from './principal.js';

/**
 * Requires any one of the `allowed` scopes; an empty list requires none. Only users have scopes.
 *
 * @throws GatewayError `NOT_ENOUGH_SCOPE`
 */
export function ensureScope(principal: Principal, allowed: readonly string[]): void {
  if (allowed.length === 0) return;
  if (principal.kind === 'user' && allowed.some((scope) => principal.scopes.includes(scope))) return;
  throw new GatewayError('NOT_ENOUGH_SCOPE');
}
