import type { Random } from '../../embedded/support/random.js';
import type { Judge } from './judge.js';

/** Sends inputs as one caller, sequentially. Generators run concurrently, each with its own random numbers. */
export interface TrafficGenerator {
  readonly title: string;
  /** Its share of the inputs. */
  readonly weight: number;
  play(play: Play): Promise<void>;
}

/** The input of a generator. */
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

/** Limits the inputs in flight of all generators, so that none is late because the machine is busy. */
export interface Places {
  /** Runs work with `count` inputs in flight. */
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
