/** Calls for consoles and scripts of those who operate the gateway. */
import type { z } from 'zod';
import type { administration } from '../contracts/administration.js';
import type { cluster } from '../contracts/cluster.js';
import type { siteStatus } from '../contracts/site-status.js';
import type { AnswerOf } from './types.js';

type Routes = (typeof administration)['routes'];
type Answer<R extends keyof Routes> = AnswerOf<Routes[R]>;

/** A page of connections. */
export interface PageQuery extends Omit<z.input<Routes['connections']['query']>, 'limit'> {
  /** 1 to 100; 50 by default. */
  readonly limit?: number;
}

/** Ids that a path cannot name: URLs drop them, also when they are encoded. */
const UNNAMEABLE = /^\.{0,2}$/;

interface Calls {
  read<A>(path: string, query?: Readonly<Record<string, unknown>>): Promise<A>;
  write<A>(path: string, body: unknown): Promise<A>;
  remove<A>(path: string, query?: Readonly<Record<string, unknown>>): Promise<A>;
}

/** Blocks, connections, devices and nodes. All of them are sent again after a failure: done twice they are the same. */
export function createAdministration({ read, write, remove }: Calls) {
  const user = (userId: string, what: string): string => `/users/${encodeURIComponent(userId)}/${what}`;
  const node = (nodeId: string, what: string): string => `/nodes/${encodeURIComponent(nodeId)}/${what}`;
  const ofDevice = <A>(userId: string, deviceId: string, what: '' | '/messages'): Promise<A> =>
    UNNAMEABLE.test(deviceId)
      ? remove<A>(user(userId, `device${what}`), { deviceId })
      : remove<A>(user(userId, `devices/${encodeURIComponent(deviceId)}${what}`));
  return {
    /** Blocks a user on every node for some seconds, instead of any block before. */
    block: (userId: string, seconds: number) => write<Answer<'block'>>(user(userId, 'block'), { seconds }),

    unblock: (userId: string) => remove<Answer<'unblock'>>(user(userId, 'block')),

    /** Until when a user is blocked. */
    blockOf: (userId: string) => read<Answer<'blockOf'>>(user(userId, 'block')),

    /** The sockets of a user on all nodes: one page. */
    connections: (userId: string, query: PageQuery = {}) =>
      read<Answer<'connections'>>(user(userId, 'connections'), { ...query }),

    /** The devices that durable messages are kept for. */
    devices: (userId: string) => read<Answer<'devices'>>(user(userId, 'devices')),

    /** Forgets a device that is not connected, with what waits for it. @param deviceId `''`: that of clients that name none */
    forgetDevice: (userId: string, deviceId: string) => ofDevice<undefined>(userId, deviceId, ''),

    /** Clears what waits for a device, which is told to load everything again. @param deviceId as {@link forgetDevice} */
    clearDevice: (userId: string, deviceId: string) => ofDevice<Answer<'clearDevice'>>(userId, deviceId, '/messages'),

    nodes: () => read<Answer<'nodes'>>('/nodes'),

    /** The sockets of a node: one page. */
    nodeConnections: (nodeId: string, query: PageQuery = {}) =>
      read<Answer<'nodeConnections'>>(node(nodeId, 'connections'), { ...query }),

    /** The nodes with their load and state. */
    cluster: () => read<AnswerOf<(typeof cluster)['routes']['overview']>>('/cluster'),

    /** What happened in the last hour. @param steps of 10 seconds, at most 360 */
    clusterHistory: (steps = 360) =>
      read<AnswerOf<(typeof cluster)['routes']['history']>>('/cluster/history', { steps }),

    /** The push sites. */
    sites: () => read<AnswerOf<(typeof siteStatus)['routes']['sites']>>('/sites'),

    /** Disconnects the clients of a node, which accepts no others until it is started again. */
    drainNode: (nodeId: string) => write<Answer<'drainNode'>>(node(nodeId, 'drain'), {}),
  };
}
