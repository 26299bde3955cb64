import type { Principal } from '../../auth/principal.js';
import { GatewayError } from '../../errors.js';
import type { PeerCounts } from '../../platform/peer-counts.js';
import type { Clock } from '../../platform/time/clock.js';
import { payerOf } from '../../realtime/work.js';

const WINDOW_MS = 10_000;
/** Refused CONNECTs of one connection in a window. Each can cost a query or a call to a website. */
const REFUSED_OF_CONNECTION_MAX = 10;
/**
 * CONNECTs of one user, visitor or user of a site in a window, over all connections of this node: dozens of tabs that reconnect at
 * once. The event limit does not count CONNECTs, and each can cost reads and writes. Callers without an identity are counted by
 * connection.
 */
const ENTERED_MAX = 600;
/** Callers counted in one window; further ones are not counted. */
const CALLERS_MAX = 100_000;

/** The connection and address of a CONNECT. */
export interface Knock {
  readonly connectionId: string;
  /** Key of the network address. */
  readonly address: string;
}

/** What {@link createConnectLimits} needs. */
interface ConnectLimitOptions {
  /** Refused CONNECTs of one address in 10 s, at all gateways of the machine; 0: any number. */
  readonly refusedOfAddressMax: number;
  readonly peers: PeerCounts;
  readonly clock: Clock;
}

/** Limits CONNECTs before authentication. */
export interface ConnectLimits {
  /** @throws GatewayError `RATE_LIMITED` with `retryAfterMs`, after too many refused ones */
  ensureMayKnock(knock: Knock): void;
  /** @throws GatewayError `RATE_LIMITED`, after too many of the same caller; counts as refused */
  ensureMayEnter(principal: Principal, knock: Knock): void;
  /** A CONNECT was refused. */
  noteRefused(knock: Knock): void;
}

/** All callers share the same windows, so expiry needs no work for each. */
export function createConnectLimits({ refusedOfAddressMax, peers, clock }: ConnectLimitOptions): ConnectLimits {
  const counts = new Map<string, number>();
  let endsAt = 0;

  const endWindow = (): void => {
    if (clock.now() >= endsAt) counts.clear();
  };
  const countOf = (key: string): number => {
    if (clock.now() >= endsAt) {
      counts.clear();
      endsAt = clock.now() + WINDOW_MS;
      // After many have connected nothing is kept of them.
      clock.after(WINDOW_MS + 1, endWindow);
    }
    return counts.get(key) ?? 0;
  };
  const increment = (key: string, by = 1): number => {
    const count = countOf(key) + by;
    if (count > by || counts.size < CALLERS_MAX) counts.set(key, count);
    return count;
  };
  const limited = (): GatewayError =>
    new GatewayError('RATE_LIMITED', { retryAfterMs: Math.max(1, endsAt - clock.now()) });

  const noteRefused = ({ connectionId, address }: Knock): void => {
    increment(`connection:${connectionId}`);
    if (refusedOfAddressMax === 0) return;
    increment(`address:${address}`);
    peers.publish({ kind: 'refused', key: address, by: 1 });
  };
  peers.subscribe('refused', ({ key, by }) => {
    increment(`address:${key}`, by);
  });

  return {
    ensureMayKnock({ connectionId, address }) {
      if (countOf(`connection:${connectionId}`) >= REFUSED_OF_CONNECTION_MAX) throw limited();
      if (refusedOfAddressMax > 0 && countOf(`address:${address}`) >= refusedOfAddressMax) throw limited();
    },
    ensureMayEnter(principal, knock) {
      if (increment(`entered:${payerOf(principal) ?? `connection:${knock.connectionId}`}`) <= ENTERED_MAX) return;
      // The credential was looked at, so these must be limited too.
      noteRefused(knock);
      throw limited();
    },
    noteRefused,
  };
}
