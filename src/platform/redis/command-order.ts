/** Codes of replies that say that a command was not run: its keys are elsewhere, its script is not known, or it refused to run. */
const NOT_RUN = /^(?:TRYAGAIN|ASK|MOVED|CLUSTERDOWN|NOSCRIPT|UNALIKE)\b/;

/** The order of the commands of one connection. */
export interface CommandOrder {
  /** Whether the replacement of a refused command is being sent. */
  isReplacing(): boolean;
  /** Sends a command that is not replaced. @param start sends it at once */
  inTurn<T>(start: () => Promise<T>): Promise<T>;
  /**
   * Sends a command that may be refused without being run. To be called within {@link CommandOrder.inTurn}.
   * @param orElse replaces it then, in its synchronous part
   */
  attempt<T>(start: () => Promise<T>, orElse: (refusal: Error) => Promise<T>): Promise<T>;
}

/**
 * Keeps the order of commands on one connection although some may be refused, and are then replaced by others. The replies to
 * commands that were sent before the refusal arrived come first: everything later waits until each of them that may be refused
 * has its reply.
 */
export function createCommandOrder(): CommandOrder {
  /** Attempts without a reply. */
  let open = 0;
  let isRepeating = false;
  let isReplacing = false;
  const waiting: (() => void)[] = [];

  const release = (): void => {
    isRepeating = false;
    for (const start of waiting.splice(0)) start();
  };
  return {
    isReplacing: () => isReplacing,
    inTurn<T>(start: () => Promise<T>): Promise<T> {
      if (!isRepeating || isReplacing) return start();
      return new Promise((resolve, reject) => waiting.push(() => start().then(resolve, reject)));
    },
    async attempt(start, orElse) {
      open += 1;
      try {
        return await start();
      } catch (error) {
        if (!(error instanceof Error && NOT_RUN.test(error.message))) throw error;
        isRepeating = true;
        isReplacing = true;
        try {
          return orElse(error);
        } finally {
          isReplacing = false;
        }
      } finally {
        open -= 1;
        if (open === 0 && isRepeating) release();
      }
    },
  };
}
