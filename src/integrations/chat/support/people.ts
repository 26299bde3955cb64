import type { Principal } from '../../../auth/principal.js';
import { GatewayError } from '../../../errors.js';
import { rooms } from '../../../realtime/rooms.js';

/** A participant of a conversation: a user of the platform, or a visitor. */
export interface Identity {
  readonly kind: 'user' | 'visitor';
  readonly id: string;
}

/**
 * The participant of a verified principal.
 * @throws GatewayError `INVALID_TOKEN` for any other principal
 */
export function toIdentity(principal: Principal): Identity {
  if (principal.kind === 'user') return { kind: 'user', id: principal.userId };
  if (principal.kind === 'visitor') return { kind: 'visitor', id: principal.visitorId };
  throw new GatewayError('INVALID_TOKEN');
}

/** The room of all sockets of one participant. */
export const ownRoomOf = ({ kind, id }: Identity): string => (kind === 'user' ? rooms.user(id) : rooms.visitor(id));
