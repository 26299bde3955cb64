/** The items that belong to each of some users, in their order. An item can belong to several. */
export function groupByUser<Item>(
  items: readonly Item[],
  usersOf: (item: Item) => readonly string[],
  users: ReadonlySet<string>,
): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    for (const id of new Set(usersOf(item))) {
      if (!users.has(id)) continue;
      const group = groups.get(id);
      if (group === undefined) groups.set(id, [item]);
      else group.push(item);
    }
  }
  return groups;
}
