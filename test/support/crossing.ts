import { dataOf } from './environment.js';
import { createGate } from './gate.js';
import type { Document, MongoProxy } from './mongo-proxy.js';
import { until } from './until.js';

type Call = () => Promise<unknown>;

/** Lets two changes cross. The first one is made by the node behind a proxy. */
export interface Crossing {
  /** The first change is stored first, and sent last: its node gets the reply to a command when the second one is over. */
  sentLast(isHeld: (command: Document) => boolean, first: Call, second: Call): Promise<void>;
  /** The first change is stored last: its command is sent when the second one is over. @returns the answer to the first */
  storedLast(isHeld: (command: Document) => boolean, first: Call, second: Call): Promise<unknown>;
}

/** Sets the rules of the proxy. */
export function createCrossing(proxy: MongoProxy): Crossing {
  const gate = createGate();
  let isHeld: (command: Document) => boolean = () => false;
  let held = 0;

  const hold = async (command: Document): Promise<void> => {
    if (gate.opened === undefined || !isHeld(command)) return;
    held += 1;
    await gate.opened;
  };

  /** The first change waits until the second one is over. */
  const cross = async (isToHold: typeof isHeld, first: Call, second: Call): Promise<unknown> => {
    isHeld = isToHold;
    held = 0;
    const release = gate.hold();
    const answer = first();
    await until(() => held > 0);
    dataOf(await second());
    release();
    return answer;
  };

  return {
    async sentLast(...crossed) {
      proxy.rules = {
        async onReply(reply, command) {
          await hold(command);
          return reply;
        },
      };
      dataOf(await cross(...crossed));
    },
    async storedLast(...crossed) {
      proxy.rules = {
        async onCommand(command) {
          await hold(command);
          return undefined;
        },
      };
      return cross(...crossed);
    },
  };
}
