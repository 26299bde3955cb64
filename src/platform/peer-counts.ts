/** What the gateways of one machine count together, by network address. */
export const countKinds = ['connections', 'lines', 'refused'] as const;

/** Socket.IO connections, TCP connections, and refused CONNECTs. */
export type CountKind = (typeof countKinds)[number];

/** A change of a count at one process. */
export interface CountChange {
  readonly kind: CountKind;
  /** Network address. */
  readonly key: string;
  readonly by: number;
}

/**
 * Counts of the other processes of this machine that share the port. They arrive a moment later: of connections that come at
 * the same time, a few more than a limit allows can get through.
 */
export interface PeerCounts {
  /** Tells the others that a count of this process has changed. */
  publish(change: CountChange): void;
  /** @param listener called for each change at another process; what a process counted is taken back when it ends */
  subscribe(kind: CountKind, listener: (change: CountChange) => void): void;
}

/** For a process that has its port for itself. */
export const noPeers: PeerCounts = { publish: () => undefined, subscribe: () => undefined };
