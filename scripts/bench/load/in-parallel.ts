/** Runs `task` for 0 to `count` - 1 with `width` workers. */
export async function inParallel(
  width: number,
  count: number,
  task: (index: number, worker: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async (worker: number): Promise<void> => {
    for (let index = next++; index < count; index = next++) await task(index, worker);
  };
  await Promise.all(Array.from({ length: width }, (_worker, index) => work(index)));
}

/** @throws RangeError for no item */
export function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`no item at ${index}`);
  return item;
}
