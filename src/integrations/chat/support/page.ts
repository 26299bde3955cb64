/** The most characters of JSON that a page holds: several of them fit into what may wait for a client. */
const CHARACTERS_MAX = 200_000;

/**
 * The first items that make a page: no more than `limit`, and after the first one no more than fit.
 * @param found in order, one more than `limit` when there are more
 */
export function toPage<Item>(found: readonly Item[], limit: number): { items: Item[]; hasMore: boolean } {
  let characters = 0;
  const items: Item[] = [];
  for (const item of found.slice(0, limit)) {
    characters += JSON.stringify(item).length;
    if (items.length > 0 && characters > CHARACTERS_MAX) break;
    items.push(item);
  }
  return { items, hasMore: found.length > items.length };
}
