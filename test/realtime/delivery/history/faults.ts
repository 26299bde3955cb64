import type { ProxyRules } from '../../../support/mongo-proxy.js';
import type { Random } from '../../../support/random.js';
import type { Nodes } from './nodes.js';

/** A database that is slow now and then, and of whose answers some are lost. */
const createTrouble = (random: Random): ProxyRules => {
  const delay = async (): Promise<void> => {
    if (random.chance(0.1)) await new Promise((resolve) => setTimeout(resolve, random.integer(150)));
  };
  return {
    async onCommand() {
      await delay();
      return undefined;
    },
    async onReply(reply) {
      await delay();
      return random.chance(0.003) ? 'cut' : reply;
    },
  };
};

/** Lets a part of the nodes fail for a while, one part after the other. */
export class Faults {
  readonly #nodes: Nodes;
  readonly #random: Random;
  /** What is under way; it is over before the next begins. */
  #current: Promise<void> = Promise.resolve();
  #isBusy = false;

  constructor(nodes: Nodes, random: Random) {
    this.#nodes = nodes;
    this.#random = random;
    for (const { proxy } of nodes.all) proxy.rules = createTrouble(random);
  }

  /** Begins one unless one is under way. */
  begin(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const fault = this.#random.chance(0.5) ? this.#killNode() : this.#takeRedisAway();
    this.#current = fault.finally(() => {
      this.#isBusy = false;
    });
  }

  /** Ends all trouble. */
  async end(): Promise<void> {
    await this.#current;
    for (const { proxy } of this.#nodes.all) proxy.rules = {};
  }

  #killNode(): Promise<void> {
    return this.#random.pick(this.#nodes.all).replace();
  }

  async #takeRedisAway(): Promise<void> {
    const redis = this.#nodes.environment.redis();
    await redis.stop();
    await new Promise((resolve) => setTimeout(resolve, 500 + this.#random.integer(1500)));
    await redis.start();
  }
}
