import { systemClock } from '../../../../src/platform/time/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import type { Document } from '../../../support/mongo-proxy.js';

/**
 * Two gateways whose clocks differ, each with a proxy in front of the database.
 * @param behindMs how far the clock of the second node is behind
 */
export const createTwoClocks = (behindMs = 1500): Promise<TestEnvironment> =>
  createTestEnvironment({
    nodes: 2,
    env: { MESSAGE_LIMIT: '100000' },
    proxyOptions: 'directConnection=true',
    nodeOptions: (node) => ({
      overrides: { clock: node === 0 ? systemClock : { ...systemClock, now: () => Date.now() - behindMs } },
    }),
  });

/** Holds callers until it is opened. */
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
    /** Resolves with the first caller. */
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
  (COLLECTIONS.includes(command['insert']) ||
    COLLECTIONS.includes(command['aggregate']) ||
    command['bulkWrite'] !== undefined) &&
  JSON.stringify(command).includes(`"${content}"`);
