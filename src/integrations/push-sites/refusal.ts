import type { GatewayError } from '../../errors.js';
import { toRefusalBody } from '../../framework/reply.js';

/**
 * The refusal of a client of a site: a message, with the same `data` as in other namespaces.
 * @param isOldClient a client of Socket.IO 2, which gets either the message or the data, and expects the message
 */
export function toSiteRefusal(error: GatewayError, isOldClient: boolean): Error {
  const refusal = new Error(wordsOf(error));
  return isOldClient ? refusal : Object.assign(refusal, { data: toRefusalBody(error).data });
}

function wordsOf({ code, info: { reason, details } }: GatewayError): string {
  if (typeof reason === 'string') return reason;
  return `Auth error: ${details?.[0] === undefined ? code : `${details[0].path} is not valid`}`;
}
