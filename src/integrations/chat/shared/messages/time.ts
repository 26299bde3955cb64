/** Clocks of nodes that differ by more are wrong, and their times are not followed. */
const SKEW_MAX_MS = 60_000;

/**
 * The time of a message: the node's, but later than that of the message before, so that clients which sort by time show the
 * order of the positions.
 * @param now Unix time in milliseconds
 * @param before the time of the message before; another service may have stored anything
 */
export function toTime(now: number, before: unknown): Date {
  const at = before instanceof Date ? before.getTime() : Number.NEGATIVE_INFINITY;
  return new Date(at >= now && at - now <= SKEW_MAX_MS ? at + 1 : now);
}

/** The same as an expression of MongoDB. @param field of the time of the message before */
export function toTimeExpression(now: number, field: string): object {
  const isFollowed = [
    { $eq: [{ $type: field }, 'date'] },
    { $gte: [field, new Date(now)] },
    { $lte: [field, new Date(now + SKEW_MAX_MS)] },
  ];
  return { $cond: [{ $and: isFollowed }, { $add: [field, 1] }, new Date(now)] };
}
