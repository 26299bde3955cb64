/** When the other end of a connection has answered. Any command says so, so that pings are needed only without commands. */
export interface Answers {
  /** How long commands have waited without any answer, in milliseconds; 0: none waits. */
  waitingMs(): number;
  /** Milliseconds since the last answer; 0 while commands wait. */
  quietMs(): number;
}

/** Counts the commands of a connection that wait. Redis answers in order, so each answer shows that it works. */
export function createAnswers(): Answers & { track<T>(answer: Promise<T>): Promise<T> } {
  let waiting = 0;
  /** When the last command was answered, or the first one was sent. */
  let changedAt = performance.now();
  const settle = (): void => {
    waiting -= 1;
    changedAt = performance.now();
  };
  return {
    waitingMs: () => (waiting === 0 ? 0 : performance.now() - changedAt),
    quietMs: () => (waiting === 0 ? performance.now() - changedAt : 0),
    track(answer) {
      if (waiting === 0) changedAt = performance.now();
      waiting += 1;
      answer.then(settle, settle);
      return answer;
    },
  };
}
