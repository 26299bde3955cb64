import type { Clock } from '../platform/time/clock.js';
import { valueWithin } from '../platform/time/within-ms.js';
import type { NodeCalls } from './node-calls.js';
import type { PresenceStore } from './presence/index.js';

/** How long an overview waits for a node, and for the list of nodes. */
const WAIT_MS = 1000;

/** What a node answered. */
interface NodeAnswer<T> {
  readonly node: string;
  /** `undefined`: it did not answer in time. */
  readonly answer: T | undefined;
}

interface Dependencies {
  readonly presence: Pick<PresenceStore, 'nodes'>;
  readonly nodeCalls: NodeCalls;
  readonly localNode: { readonly id: string };
  readonly clock: Clock;
}

/** Asks all nodes the same at once. @throws never: while the other nodes cannot be reached this one answers alone */
export type AskNodes = <T>(name: string, request: unknown) => Promise<NodeAnswer<T>[]>;

/** For overviews, which show what is known within a second rather than wait for a node that has died. */
export function createAskNodes({ presence, nodeCalls, localNode, clock }: Dependencies): AskNodes {
  const alone = [localNode.id];
  const nodes = async (): Promise<string[]> => {
    const found = await valueWithin(presence.nodes(), { clock, limitMs: WAIT_MS, fallback: alone });
    // A node that is about to stop has left the list.
    return found.includes(localNode.id) ? found : [localNode.id, ...found];
  };
  return async function askNodes<T>(name: string, request: unknown) {
    const asked = (await nodes()).map(async (node): Promise<NodeAnswer<T>> => {
      const answer = nodeCalls.call({ node, name, request }, WAIT_MS) as Promise<T>;
      return { node, answer: await answer.catch(() => undefined) };
    });
    return Promise.all(asked);
  };
}
