import type { Clock } from '../time/clock.js';

interface Options {
  readonly clock: Clock;
  /** How long an answer counts. */
  readonly ttlMs: number;
  /** Questions whose answers are kept; further ones are asked each time. */
  readonly max: number;
}

/**
 * Asks once for all callers with the same question, while it is asked and for a moment after that. So the cost does not grow
 * with the number of callers. A failure is for those who wait for it.
 * @returns asks; an answer is up to `ttlMs` old
 */
export function shareAnswers<Answer>(
  ask: (question: string) => Promise<Answer>,
  { clock, ttlMs, max }: Options,
): (question: string) => Promise<Answer> {
  const answers = new Map<string, Promise<Answer>>();
  return function askShared(question) {
    const known = answers.get(question);
    if (known !== undefined) return known;
    const asked = ask(question);
    if (answers.size >= max) return asked;
    answers.set(question, asked);
    const forget = (): boolean => answers.delete(question);
    asked.then(() => clock.after(ttlMs, forget), forget);
    return asked;
  };
}
