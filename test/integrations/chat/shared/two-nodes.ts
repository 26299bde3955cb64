import { systemClock } from '../../../../src/platform/clock.js';
import { startDatabase } from '../../../support/database.js';
import { type Document, type MongoProxy, startMongoProxy } from '../../../support/mongo-proxy.js';
import { openStage, type Stage } from '../../stage.js';

/** How far the clock of the second node is behind. */
const BEHIND_MS = 1500;

/** Two gateways whose clocks differ, each with a proxy in front of the database. */
export interface TwoNodes extends Stage {
  /** By node. */
  readonly proxies: readonly MongoProxy[];
}

export async function openTwoNodes(): Promise<TwoNodes> {
  const database = await startDatabase();
  const proxies = [await startMongoProxy(database.url), await startMongoProxy(database.url)];
  const clocks = [systemClock, { ...systemClock, now: () => Date.now() - BEHIND_MS }];
  const stage = await openStage({
    nodes: 2,
    database,
    env: { MESSAGE_LIMIT: '100000' },
    nodeOptions: (node) => {
      const [proxy, clock] = [proxies[node], clocks[node]];
      if (proxy === undefined || clock === undefined) throw new Error(`there is no node ${node}`);
      return { overrides: { clock }, env: { MONGODB_URL: proxy.url('directConnection=true') } };
    },
  });
  return {
    ...stage,
    proxies,
    async close() {
      await stage.close();
      await Promise.all(proxies.map((proxy) => proxy.close()));
      await database.stop();
    },
  };
}

/** Something that waits until it is let go. */
export function createGate() {
  let open = (): void => undefined;
  let arrive = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  return {
    /** Resolves when something waits. */
    arrived,
    open: (): void => open(),
    wait(): Promise<void> {
      arrive();
      return opened;
    },
  };
}

const COLLECTIONS: readonly unknown[] = ['support.messages', 'community.messages'];

/** Whether a command stores a message with this content. */
export const stores = (command: Document, content: string): boolean =>
  (COLLECTIONS.includes(command['insert']) || COLLECTIONS.includes(command['aggregate'])) &&
  JSON.stringify(command).includes(`"${content}"`);
