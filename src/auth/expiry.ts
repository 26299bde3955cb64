import type { Clock } from '../platform/clock.js';

/** How long before its token expires a client is told. */
const EXPIRY_WARNING_MS = 60_000;

/** Expiries closer together than this are handled in one pass over the sockets. */
const PASS_INTERVAL_MS = 250;

/** The part of a socket that this file uses. */
export interface ExpiringSocket {
  readonly data: { readonly principal: { readonly expiresAt: number }; isWarned: boolean };
  emit(event: string, payload: unknown): unknown;
  disconnect(): unknown;
}

/** Warns clients whose token is about to expire and closes those whose token has expired. */
export interface ExpiryWatch {
  /** Has to be called after each renewal. */
  watch(socket: ExpiringSocket): void;
  connected(socket: ExpiringSocket): void;
  disconnected(): void;
  stop(): void;
}

/**
 * One timer for all sockets, set to the earliest deadline: an idle connection costs no timer of its own.
 * @param sockets all sockets that are connected now
 * @param toleranceMs how long after its `exp` a token is taken: a connection lasts as long as its token would let it in
 */
export function createExpiryWatch(clock: Clock, sockets: () => Iterable<ExpiringSocket>, toleranceMs = 0): ExpiryWatch {
  /** When something is to be done about a socket next; never, once it has been told that its token has expired. */
  const deadlineOf = ({ data: { principal, isWarned } }: ExpiringSocket): number =>
    principal.expiresAt + (isWarned ? toleranceMs : -EXPIRY_WARNING_MS);

  const tell = (socket: ExpiringSocket, now: number): void => {
    const remainingMs = socket.data.principal.expiresAt - now;
    if (remainingMs + toleranceMs <= 0) {
      socket.emit('auth_expired', {});
      socket.disconnect();
    } else if (remainingMs <= EXPIRY_WARNING_MS && !socket.data.isWarned) {
      socket.data.isWarned = true;
      socket.emit('auth_expiring', { expires_in: Math.max(0, Math.ceil(remainingMs / 1000)) });
    }
  };

  let dueAt = Number.POSITIVE_INFINITY;
  let cancel: () => void = () => undefined;

  const watch = (socket: ExpiringSocket): void => {
    const deadline = deadlineOf(socket);
    if (deadline >= dueAt) return;
    cancel();
    dueAt = deadline;
    cancel = clock.after(Math.max(deadline - clock.now(), 0), pass);
  };

  const pass = (): void => {
    dueAt = Number.POSITIVE_INFINITY;
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const socket of [...sockets()]) {
      tell(socket, now);
      next = Math.min(next, deadlineOf(socket));
    }
    if (next === Number.POSITIVE_INFINITY) return;
    dueAt = Math.max(next, now + PASS_INTERVAL_MS);
    cancel = clock.after(dueAt - now, pass);
  };

  return { watch, connected: watch, disconnected: () => undefined, stop: () => cancel() };
}
