import { z } from 'zod';
import { idClaim, parseClaims, tokenClaims, toTokenFacts } from './claims.js';
import type { VisitorPrincipal } from './principal.js';

/** Bounds what a single token can open, and the work of joining it. */
const MAX_VISITOR_CONVERSATIONS = 500;

const visitorClaims = z.object({
  type: z.literal('visitor'),
  visitor_id: idClaim,
  account_id: idClaim,
  conversation_ids: z.array(idClaim).max(MAX_VISITOR_CONVERSATIONS),
  ...tokenClaims,
});

/**
 * The visitor that verified claims name.
 *
 * @throws GatewayError `INVALID_TOKEN` when a claim is missing or of a wrong shape, or the token is a user's
 */
export function toVisitorPrincipal(payload: unknown): VisitorPrincipal {
  const claims = parseClaims(visitorClaims, payload);
  return {
    kind: 'visitor',
    visitorId: claims.visitor_id,
    accountId: claims.account_id,
    conversationIds: claims.conversation_ids,
    ...toTokenFacts(claims),
  };
}
