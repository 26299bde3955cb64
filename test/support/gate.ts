/** Holds back work until it is released. */
export interface Gate {
  /** Resolves when work may go on; `undefined`: at once. */
  readonly opened: Promise<void> | undefined;
  /** @returns lets the work go on */
  hold(): () => void;
}

export function createGate(): Gate {
  let opened: Promise<void> | undefined;
  return {
    get opened() {
      return opened;
    },
    hold() {
      let release = (): void => undefined;
      opened = new Promise((resolve) => {
        release = resolve;
      });
      return () => {
        opened = undefined;
        release();
      };
    },
  };
}
