import { z } from 'zod';
import { catalogue } from '#shared/contracts/errors.js';
import { chatReplies, generalReplies } from '#shared/contracts/reply-schemas.js';

/** Faults that are written down; a cause that repeats itself needs no more. */
const FAULTS_MAX = 30;

/** Notes what the gateway did wrong. */
export interface Judge {
  readonly faults: readonly string[];
  /** Inputs so far. */
  readonly inputs: number;
  /** How often each outcome was seen. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Events and routes that were called with success. */
  readonly succeeded: Set<string>;
  /** Names of events that a backend sent to everybody. */
  readonly broadcast: Set<string>;
  /** An input was sent. */
  sent(count?: number): void;
  outcome(name: string): void;
  fault(text: string): void;
  /** Waits. @returns `undefined` when it took longer, which is a fault */
  inTime<T>(about: string, work: Promise<T>, timeMs?: number): Promise<T | undefined>;
}

/** @param deadlineMs after which an answer is late */
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

/** Codes that blame the gateway. */
const BROKEN = new Set(Object.entries(catalogue).flatMap(([code, { status }]) => (status >= 500 ? [code] : [])));

/** Whether a code says that the gateway, or what it stands on, failed. */
export const isBroken = (code: string): boolean => BROKEN.has(code);

const chatAnswer = z.union([chatReplies.success(z.unknown().optional()), chatReplies.failure]);
const generalAnswer = z.union([generalReplies.success(z.unknown().optional()), generalReplies.failure]);

/**
 * The code of an answer to an event; `SUCCESS` for a success.
 * @param text JSON of the arguments of the acknowledgement
 * @throws Error for an answer that is not worded as its namespace does
 */
export function codeOf(namespace: string, text: string): string {
  const [answer, ...more] = JSON.parse(text) as unknown[];
  if (more.length > 0) throw new Error('more than one argument');
  const isChat = namespace === '/' || namespace === '/department';
  const parsed = (isChat ? chatAnswer : generalAnswer).parse(answer);
  if (parsed.success === true) return 'SUCCESS';
  return 'code' in parsed ? parsed.code : parsed.message;
}
