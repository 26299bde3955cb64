import type { Clock } from '../platform/time/clock.js';

/** How long before token expiry the client is warned. */
const EXPIRY_WARNING_MS = 60_000;

/** Expiries closer together than this are handled in one pass over the sockets. */
const PASS_INTERVAL_MS = 250;

/** Longest time until the date is looked at: when it is set forward, timers do not know. */
const LOOK_MS = 30_000;

/** The part of a socket that this file uses. */
export interface ExpiringSocket {
  readonly data: { readonly principal: { readonly expiresAt: number }; isWarned: boolean };
  emit(event: string, payload: unknown): unknown;
  disconnect(): unknown;
}

/** Warns clients whose token is about to expire and disconnects those whose token has expired. */
export interface ExpiryWatch {
  /** Must be called after each renewal. */
  watch(socket: ExpiringSocket): void;
  connected(socket: ExpiringSocket): void;
  stop(): void;
}

/**
 * Uses one timer for all sockets, set to the earliest deadline: an idle connection needs no timer.
 * @param sockets all connected sockets
 * @param toleranceMs clock tolerance after `exp`, as in the token verifier
 */
export function createExpiryWatch(clock: Clock, sockets: () => Iterable<ExpiringSocket>, toleranceMs = 0): ExpiryWatch {
  /** When the socket is handled next; never after its client was notified of the expiry. */
  const deadlineOf = ({ data: { principal, isWarned } }: ExpiringSocket): number =>
    principal.expiresAt + (isWarned ? toleranceMs : -EXPIRY_WARNING_MS);

  const notify = (socket: ExpiringSocket, now: number): void => {
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
    schedule(deadline);
  };

  const schedule = (at: number): void => {
    dueAt = at;
    const delayMs = Math.min(Math.max(at - clock.now(), 0), LOOK_MS);
    cancel = clock.after(delayMs, () => (clock.now() < at ? schedule(at) : pass()));
  };

  const pass = (): void => {
    dueAt = Number.POSITIVE_INFINITY;
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const socket of [...sockets()]) {
      notify(socket, now);
      next = Math.min(next, deadlineOf(socket));
    }
    if (next === Number.POSITIVE_INFINITY) return;
    schedule(Math.max(next, now + PASS_INTERVAL_MS));
  };

  return { watch, connected: watch, stop: () => cancel() };
}
