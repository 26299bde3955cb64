import { z } from 'zod';
import { accountIdClaim, idClaim, parseClaims, tokenClaims, toTokenFacts, type VerifiedToken } from './claims.js';
import type { VisitorPrincipal } from './principal.js';

/** Bounds the conversations of one token, and the work of joining them. */
const MAX_VISITOR_CONVERSATIONS = 500;

const visitorClaims = z.object({
  visitor_id: idClaim,
  account_id: accountIdClaim,
  conversation_ids: z.array(idClaim).max(MAX_VISITOR_CONVERSATIONS),
  ...tokenClaims,
});

/** The visitor in verified claims of the type `visitor`. @throws GatewayError `INVALID_TOKEN` for a missing or invalid claim */
export function toVisitorPrincipal({ payload, secretId }: VerifiedToken): VisitorPrincipal {
  const claims = parseClaims(visitorClaims, payload);
  return {
    kind: 'visitor',
    visitorId: claims.visitor_id,
    accountId: claims.account_id,
    conversationIds: claims.conversation_ids,
    secretId,
    ...toTokenFacts(claims),
  };
}
