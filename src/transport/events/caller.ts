import { payerOf } from '../../realtime/work.js';
import type { SocketState } from '../../sockets/socket.js';

/** Who pays for an event, and is limited: a user or visitor, or else an address. */
export const callerOf = ({ principal, address }: Pick<SocketState, 'principal' | 'address'>): string =>
  payerOf(principal) ?? `address:${address}`;
