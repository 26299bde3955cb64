import type { Request } from 'express';
import type { GatewayError } from '../../errors.js';
import type { Logger } from '../../platform/logging/logger.js';
import { addressKeyOf } from '../connections/address.js';

/** Logs a call without a valid API key. */
export type ReportKeyRefusal = (request: Request, refusal: KeyRefusal) => void;

/** Why a call was refused. */
interface KeyRefusal {
  /** A text of the gateway. */
  readonly reason: string;
  readonly requestId: string;
}

/** Names route, reason and address; the key that was sent may be a secret of something else, and is not logged. */
export const createKeyRefusalReport = ({
  logger,
  trustedProxies,
}: {
  logger: Pick<Logger, 'info'>;
  trustedProxies: number;
}): ReportKeyRefusal =>
  function reportRefusedKey({ route, headers, socket }, { reason, requestId }) {
    const address = addressKeyOf({ address: socket.remoteAddress ?? '', headers }, trustedProxies);
    logger.info({ path: route?.path, reason, address, requestId }, 'a call was refused: no valid API key');
  };

/** Why the key of a backend was refused. */
export function reasonOfRefusal({ headers }: Request, { info }: GatewayError): string {
  const [detail] = info.details ?? [];
  if (detail !== undefined) return detail.message;
  const isSent = headers['x-api-key'] !== undefined || headers.authorization !== undefined;
  return isSent ? 'the key is not one of EMIT_API_KEYS' : 'no key';
}
