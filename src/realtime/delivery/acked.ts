/**
 * What a device has acknowledged, for each namespace that messages are sent to (`*` is one of its own): everything up to
 * `upTo` except the `holes`. A client acknowledges nearly in order, so there are few holes, and never more than an outbox
 * leaves unacknowledged. What nothing is known of was acknowledged up to the device's `start`.
 *
 * Values are never changed in place. {@link merge} is a union of what was acknowledged: it never takes anything back.
 */
export interface Acked {
  readonly upTo: number;
  /** Rising. */
  readonly holes: readonly number[];
}

/** By namespace. */
export type AckedByNamespace = Readonly<Record<string, Acked>>;

/** Whether a device has acknowledged a position, or was never meant to get it. */
export function isAcked(acked: AckedByNamespace, start: number, { namespace, position }: Place): boolean {
  if (position <= start) return true;
  const own = acked[namespace];
  return own !== undefined && position <= own.upTo && !own.holes.includes(position);
}

/** One message of a log. */
export interface Place {
  readonly namespace: string;
  readonly position: number;
}

/** Everything above this may be unacknowledged, and some of what is below may not be. */
export const baseOf = (acked: AckedByNamespace, start: number, namespace: string): number =>
  Math.max(start, acked[namespace]?.upTo ?? 0);

/** Below this position, and at it, nothing is unacknowledged. */
export function lowestOf(acked: AckedByNamespace, start: number, namespace: string): number {
  const first = acked[namespace]?.holes[0];
  return first === undefined ? baseOf(acked, start, namespace) : Math.max(start, first - 1);
}

/** Everything up to a position counts as acknowledged. */
export function raised(acked: Acked | undefined, upTo: number): Acked {
  const { upTo: before, holes } = acked ?? { upTo: 0, holes: [] };
  return { upTo: Math.max(before, upTo), holes: holes.filter((hole) => hole > upTo) };
}

/** What either of two nodes was told. */
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
  const lowHoles = new Set(low.holes);
  return { upTo: high.upTo, holes: high.holes.filter((hole) => hole > low.upTo || lowHoles.has(hole)) };
}
