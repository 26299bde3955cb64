import type { Random } from '../../support/random.js';
import type { Judge } from './judge.js';

/** Sends inputs as one caller, sequentially. Generators run concurrently, each with its own random numbers. */
export interface TrafficGenerator {
  readonly title: string;
  /** Share of the inputs. */
  readonly weight: number;
  play(play: Play): Promise<void>;
}

/** Parameters of a generator. */
export interface Play {
  /** URL of the node. */
  readonly url: string;
  readonly random: Random;
  /** Approximate number of inputs. */
  readonly inputs: number;
  readonly judge: Judge;
  /** Deadline of an acknowledgement. */
  readonly deadlineMs: number;
  readonly places: Places;
}

/** Concurrency limit over all generators, so that a busy machine delays no input beyond its deadline. */
export interface Places {
  /** Runs a task that has `count` inputs in flight. */
  run<T>(count: number, work: () => Promise<T>): Promise<T>;
}

/** @param total inputs in flight; a task with more runs alone */
export function createPlaces(total: number): Places {
  let free = total;
  const waiting: { count: number; begin: () => void }[] = [];
  const admit = (): void => {
    for (let [next] = waiting; next !== undefined && next.count <= free; [next] = waiting) {
      waiting.shift();
      free -= next.count;
      next.begin();
    }
  };
  return {
    async run(wanted, work) {
      const count = Math.min(wanted, total);
      await new Promise<void>((begin) => {
        waiting.push({ count, begin });
        admit();
      });
      try {
        return await work();
      } finally {
        free += count;
        admit();
      }
    },
  };
}
