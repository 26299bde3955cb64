const INTERVAL_MS = 1000;

/** Prints at most one line a second about what is done. */
export interface Progress {
  /** @param total of steps, of which `onStep` reports some */
  begin(what: string, total: number): { readonly onStep: (count: number) => void };
  end(): void;
}

/** Creates a progress that prints its lines. */
export function createProgress(print: (line: string) => void): Progress {
  let line: string | undefined;
  const timer = setInterval(() => {
    if (line !== undefined) print(line);
    line = undefined;
  }, INTERVAL_MS);
  return {
    begin(what, total) {
      let done = 0;
      const onStep = (count: number): void => {
        done += count;
        line = `${what}: ${done.toLocaleString('en')} of ${total.toLocaleString('en')}`;
      };
      return { onStep };
    },
    end: () => clearInterval(timer),
  };
}
