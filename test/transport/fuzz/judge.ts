import { z } from 'zod';
import { catalogue } from '#shared/contracts/errors.js';
import { chatReplies, generalReplies } from '#shared/contracts/reply-schemas.js';

/** Maximum number of recorded faults. */
const FAULTS_MAX = 30;

/** Records outcomes and faults. */
export interface Judge {
  readonly faults: readonly string[];
  /** Number of inputs sent. */
  readonly inputs: number;
  /** Count by outcome. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Events and routes that succeeded at least once. */
  readonly succeeded: Set<string>;
  /** Names of broadcast events. */
  readonly broadcast: Set<string>;
  /** Counts an input. */
  sent(count?: number): void;
  outcome(name: string): void;
  fault(text: string): void;
  /** Waits for a result up to the deadline. @returns `undefined` when it is late, which is a fault */
  inTime<T>(about: string, work: Promise<T>, timeMs?: number): Promise<T | undefined>;
}

/** @param deadlineMs deadline of an answer */
export function createJudge(deadlineMs: number): Judge {
  const faults: string[] = [];
  const outcomes = new Map<string, number>();
  let inputs = 0;
  const fault = (text: string): void => {
    if (faults.length < FAULTS_MAX) faults.push(text);
  };
  return {
    faults,
    outcomes,
    succeeded: new Set(),
    broadcast: new Set(),
    fault,
    get inputs() {
      return inputs;
    },
    sent(count = 1) {
      inputs += count;
    },
    outcome: (name) => void outcomes.set(name, (outcomes.get(name) ?? 0) + 1),
    async inTime(about, work, timeMs = deadlineMs) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => {
          fault(`no answer within ${timeMs} ms: ${about}`);
          resolve(undefined);
        }, timeMs);
      });
      return Promise.race([work, late]).finally(() => clearTimeout(timer));
    },
  };
}

/** Error codes of a failure inside the gateway. */
const BROKEN = new Set(Object.entries(catalogue).flatMap(([code, { status }]) => (status >= 500 ? [code] : [])));

/** Whether a code reports a failure of the gateway or of its dependencies. */
export const isBroken = (code: string): boolean => BROKEN.has(code);

const chatAnswer = z.union([chatReplies.success(z.unknown().optional()), chatReplies.failure]);
const generalAnswer = z.union([generalReplies.success(z.unknown().optional()), generalReplies.failure]);

/**
 * Reads the code of an acknowledgement; `SUCCESS` for a success.
 * @param text arguments of the acknowledgement as JSON
 * @throws Error when the answer does not have the format of its namespace
 */
export function codeOf(namespace: string, text: string): string {
  const [answer, ...more] = JSON.parse(text) as unknown[];
  if (more.length > 0) throw new Error('more than one argument');
  const isChat = namespace === '/' || namespace === '/department';
  const parsed = (isChat ? chatAnswer : generalAnswer).parse(answer);
  if (parsed.success === true) return 'SUCCESS';
  return 'code' in parsed ? parsed.code : parsed.message;
}
