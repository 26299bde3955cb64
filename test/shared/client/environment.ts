import { Types } from 'mongoose';
import { onTestFinished } from 'vitest';
import {
  type ApplicationEvents,
  type ClientOptions,
  type ConnectionState,
  type ConnectOptions,
  type ConnectSiteOptions,
  connect,
  connectSite,
  type GatewayClient,
  type GatewayClientError,
  type NamespaceName,
} from '#shared/client/index.js';
import type { TestUser } from '../../support/environment.js';
import { signToken, type TestGateway } from '../../support/gateway.js';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.js';
import { until } from '../../support/until.js';

/** A client, and what it told its application. */
export interface Watched<C> {
  readonly client: C;
  /** States in order, without repetitions. */
  readonly states: ConnectionState[];
  readonly problems: GatewayClientError[];
  is(state: ConnectionState): Promise<void>;
}

/** Storage of one browser, that outlives its pages. */
export function createStorage() {
  const values = new Map<string, string>();
  return {
    values,
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
  };
}

/** A fresh user id, and a token source for it. */
export function newUser() {
  const uid = new Types.ObjectId().toHexString();
  return { uid, token: async (): Promise<string> => signToken({ uid }) };
}

/** Waiting times are a tenth of the real ones: what a test is about is their order. */
const quick = { random: () => 0, storage: undefined };

type Defaults<C> = Omit<C, 'onProblem'>;

/** Connects a client that ends with the test. */
export function openClient<const N extends NamespaceName, A extends ApplicationEvents = ApplicationEvents>(
  options: ConnectOptions<N, A>,
): Watched<GatewayClient<N, A>> {
  return watch((own) => connect<N, A>({ ...own, ...options }));
}

/** The tokens of a user of the test environment. */
export const tokenOf =
  ({ id, accountId }: TestUser) =>
  async (): Promise<string> =>
    signToken({ uid: id, account_id: accountId });

/** A client of the chats. */
export const openChat = (user: TestUser, url: string) =>
  openClient({ url, namespace: '/', token: tokenOf(user), events: {} }).client;

/** A client of the conversations of a team. */
export const openTeam = (user: TestUser, url: string) =>
  openClient({ url, namespace: '/v1/conversation', token: tokenOf(user), events: {} }).client;

/** The same for a push site. */
export function openSiteClient<A extends ApplicationEvents = ApplicationEvents>(
  options: Defaults<ConnectSiteOptions<A>>,
): Watched<GatewayClient<'/{site}', A>> {
  return watch((own) => connectSite<A>({ ...own, ...options }));
}

function watch<C extends Pick<GatewayClient<'/', ApplicationEvents>, 'status' | 'subscribe' | 'close'>>(
  open: (own: Pick<ClientOptions<never>, 'onProblem' | 'random' | 'storage'>) => C,
): Watched<C> {
  const problems: GatewayClientError[] = [];
  const client = open({
    random: quick.random,
    storage: createStorage(),
    onProblem: (problem) => problems.push(problem),
  });
  const states: ConnectionState[] = [client.status.state];
  client.subscribe(() => {
    if (states.at(-1) !== client.status.state) states.push(client.status.state);
  });
  onTestFinished(() => client.close());
  return { client, states, problems, is: (state) => until(() => client.status.state === state) };
}

/** An address that leads to one node at a time. */
export interface Road {
  readonly url: string;
  /** Cuts every connection; new ones lead to this node. */
  leadTo(node: TestGateway): Promise<void>;
  /** Cuts every connection and refuses new ones. */
  cut(): Promise<void>;
}

/** Opens an address as a load balancer does. */
export async function openRoad(node: TestGateway): Promise<Road> {
  let proxy: TcpProxy = await startTcpProxy(node.port);
  let isOpen = true;
  const cut = async (): Promise<void> => {
    if (isOpen) await proxy.cut();
    isOpen = false;
  };
  onTestFinished(cut);
  const { port } = proxy;
  return {
    url: `http://127.0.0.1:${port}`,
    cut,
    async leadTo(next) {
      await cut();
      proxy = await startTcpProxy(next.port, port);
      isOpen = true;
    },
  };
}
