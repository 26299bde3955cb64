/** A place in a line. */
export interface Place {
  /** Resolves when everybody who came before has left. */
  readonly isFirst: Promise<void>;
  leave(): void;
}

/** Lines, each with a name, in which what was begun first is finished first. */
export interface Lines {
  /** Takes the last place, at once. Whoever has one leaves it whatever happens. */
  join(name: string): Place;
}

/** Lines within this process; one that nobody stands in costs nothing. */
export function createLines(): Lines {
  const last = new Map<string, Promise<void>>();
  return {
    join(name) {
      const isFirst = last.get(name) ?? Promise.resolve();
      let open = (): void => undefined;
      const left = new Promise<void>((resolve) => {
        open = resolve;
      });
      const next = isFirst.then(() => left);
      last.set(name, next);
      return {
        isFirst,
        leave() {
          open();
          void next.then(() => last.get(name) === next && last.delete(name));
        },
      };
    },
  };
}
