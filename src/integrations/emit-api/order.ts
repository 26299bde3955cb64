/** The place of an item among those of a batch to the same user. */
export interface Place {
  /** Settles when the item before is handed over; `undefined`: it is the first. */
  readonly before: Promise<void> | undefined;
  /** The item is handed over to delivery, or never will be. */
  handOver(): void;
}

/**
 * Keeps the order of the durable items of a batch to one user: an item with a key is sent when the database has replied to the key,
 * and those after it must not overtake it.
 * @returns gives the next place among the items to a user
 */
export function createOrder(): (userId: string) => Place {
  const lasts = new Map<string, Promise<void>>();
  return function nextPlace(userId) {
    const before = lasts.get(userId);
    let handOver = (): void => undefined;
    const handedOver = new Promise<void>((resolve) => {
      handOver = resolve;
    });
    lasts.set(userId, handedOver);
    return { before, handOver: () => handOver() };
  };
}
