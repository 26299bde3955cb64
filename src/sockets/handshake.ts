import { z } from 'zod';
import { deviceId } from '#shared/contracts/primitives.js';
import { deliveryIds } from '#shared/contracts/session.js';
import type { Handshake } from '../auth/token-sources.js';
import { parse } from '../validation.js';

const device = z.object({ deviceId, deliveryIds });

/** What a client sends about its device. */
export interface HandshakeDevice {
  /** `''` when the client sends none. */
  readonly deviceId: string;
  /** The client wants the ids of durable messages. */
  readonly wantsDeliveryIds: boolean;
}

/** Reads the device of a handshake. @throws GatewayError `VALIDATION_ERROR` for an invalid value */
export function deviceOf({ auth, query }: Pick<Handshake, 'auth' | 'query'>): HandshakeDevice {
  const given = { deviceId: auth['deviceId'] ?? query['deviceId'] ?? '', deliveryIds: auth['deliveryIds'] };
  const parsed = parse(device, given);
  return { deviceId: parsed.deviceId, wantsDeliveryIds: parsed.deliveryIds === true };
}
