/**
 * What a device has acknowledged of one namespace (`*` counts as one of its own): everything up to `upTo` except the `holes`.
 * A client acknowledges nearly in order, so there are few holes, and never more than an outbox leaves unacknowledged. Of a
 * namespace without a value everything up to the `start` of the device counts as acknowledged.
 *
 * Values are never changed in place. {@link merge} is a union: it never takes an acknowledgement back.
 */
export interface Acked {
  readonly upTo: number;
  /** Rising. */
  readonly holes: readonly number[];
}

/** By namespace. */
export type AckedByNamespace = Readonly<Record<string, Acked>>;

/** A position of a log, and the namespace that its message was sent to. */
export interface Place {
  readonly namespace: string;
  readonly position: number;
}

/** Whether a device has acknowledged a position, or was never meant to get it. */
export function isAcked(acked: AckedByNamespace, start: number, { namespace, position }: Place): boolean {
  if (position <= start) return true;
  const own = acked[namespace];
  return own !== undefined && position <= own.upTo && !own.holes.includes(position);
}

/** High-water mark: nothing above this position is acknowledged. */
export const highestAcked = (acked: AckedByNamespace, start: number, namespace: string): number =>
  Math.max(start, acked[namespace]?.upTo ?? 0);

/** Low-water mark: everything up to this position is acknowledged. */
export function lowestAcked(acked: AckedByNamespace, start: number, namespace: string): number {
  const first = acked[namespace]?.holes[0];
  return first === undefined ? highestAcked(acked, start, namespace) : Math.max(start, first - 1);
}

/** As if everything up to a position had been acknowledged. */
export function ackedThrough(acked: Acked | undefined, position: number): Acked {
  const { upTo, holes } = acked ?? { upTo: 0, holes: [] };
  return { upTo: Math.max(upTo, position), holes: holes.filter((hole) => hole > position) };
}

/** The union of what two nodes know. */
export function merge(one: AckedByNamespace, other: AckedByNamespace): AckedByNamespace {
  const merged: Record<string, Acked> = { ...one };
  for (const [namespace, theirs] of Object.entries(other)) {
    const ours = merged[namespace];
    merged[namespace] = ours === undefined ? theirs : union(ours, theirs);
  }
  return merged;
}

function union(one: Acked, other: Acked): Acked {
  const [low, high] = one.upTo <= other.upTo ? [one, other] : [other, one];
  // As it is for most acknowledgements.
  if (high.holes.length === 0) return high;
  const lowHoles = new Set(low.holes);
  return { upTo: high.upTo, holes: high.holes.filter((hole) => hole > low.upTo || lowHoles.has(hole)) };
}
