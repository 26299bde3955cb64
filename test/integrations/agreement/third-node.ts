import { setTimeout as sleep } from 'node:timers/promises';
import type { TestEnvironment } from '../../support/environment.js';
import { startDyingNode } from '../dying/dying-node.js';
import { GoneError } from './ask.js';
import type { Device } from './device.js';
import { isWrite } from './scene.js';

const THIRD = 2;
/** So long before its death the node hears of no write that it is done. */
const UNHEARD_MS = 500;

/** A node in a process of its own. */
export interface ThirdNode {
  /** The environment with this node as the third one, for sockets. What its clients read over REST, another node answers. */
  readonly environment: TestEnvironment;
  isAlive(): boolean;
  /** Kills it while its changes are stored and sent. Its devices lose their connections. */
  dieAfter(delayMs: number, devices: readonly Device[]): Promise<void>;
}

/** Starts it, with a proxy in front of the database as the others have. */
export async function startThirdNode(environment: TestEnvironment): Promise<ThirdNode> {
  const node = await startDyingNode(environment);
  let isAlive = true;
  return {
    environment: {
      ...environment,
      proxies: [...environment.proxies, node.proxy],
      open: (user, options = {}) => {
        const { node: index, ...own } = options;
        if (index !== THIRD) return environment.open(user, options);
        return node.open(user, own).catch((error: unknown) => {
          throw isAlive ? error : new GoneError();
        });
      },
    },
    isAlive: () => isAlive,
    async dieAfter(delayMs, devices) {
      await sleep(delayMs);
      const forever = new Promise<never>(() => undefined);
      node.proxy.rules = { onReply: (reply, command) => (isWrite(command) ? forever : reply) };
      await sleep(UNHEARD_MS);
      isAlive = false;
      await node.kill();
      for (const device of devices) {
        await device.arrive().catch(() => undefined);
        if (device.connection?.node === THIRD) device.disconnect();
      }
    },
  };
}
