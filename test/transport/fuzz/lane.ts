import type { Random } from '../../embedded/support/random.js';
import type { Judge } from './judge.js';

/** One caller who sends one input after another. Lanes run side by side, each with randomness of its own. */
export interface Lane {
  readonly title: string;
  /** Its share of the inputs. */
  readonly weight: number;
  play(play: Play): Promise<void>;
}

/** What a lane gets. */
export interface Play {
  /** Of the node. */
  readonly url: string;
  readonly random: Random;
  /** How many inputs to send, about. */
  readonly inputs: number;
  readonly judge: Judge;
  /** After which an event is late. */
  readonly deadlineMs: number;
  readonly places: Places;
}

/** Bounds how many inputs of all lanes are in flight, so that a busy machine makes nothing late. */
export interface Places {
  /** Runs work that has so many inputs in flight. */
  run<T>(count: number, work: () => Promise<T>): Promise<T>;
}

/** @param total places; work that takes more has all of them */
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
