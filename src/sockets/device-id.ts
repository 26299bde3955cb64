import { z } from 'zod';
import { deviceId } from '#shared/contracts/primitives.js';
import type { Handshake } from '../auth/token-sources.js';
import { parse } from '../validation.js';

const device = z.object({ deviceId });

/** The device id of a handshake. @throws GatewayError `VALIDATION_ERROR` for an invalid id */
export const deviceIdOf = ({ auth, query }: Pick<Handshake, 'auth' | 'query'>): string =>
  parse(device, { deviceId: auth['deviceId'] ?? query['deviceId'] ?? '' }).deviceId;
