/** Maximum clock difference of nodes. Times further in the future are ignored. */
const SKEW_MAX_MS = 60_000;

/**
 * The time of a message: the node's time, but later than that of the previous message, so that sorting by time gives the
 * order of positions.
 * @param now Unix time in milliseconds
 * @param before the time of the previous message; other services may have stored any value
 */
export function toTime(now: number, before: unknown): Date {
  const at = before instanceof Date ? before.getTime() : Number.NEGATIVE_INFINITY;
  return new Date(at >= now && at - now <= SKEW_MAX_MS ? at + 1 : now);
}

/** The same as a MongoDB expression. @param field the time of the previous message */
export function toTimeExpression(now: number, field: string): object {
  const isFollowed = [
    { $eq: [{ $type: field }, 'date'] },
    { $gte: [field, new Date(now)] },
    { $lte: [field, new Date(now + SKEW_MAX_MS)] },
  ];
  return { $cond: [{ $and: isFollowed }, { $add: [field, 1] }, new Date(now)] };
}
