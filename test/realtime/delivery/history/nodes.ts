import { startEmbeddedDatabase } from '../../../support/database.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import { API_KEY } from '../../../support/gateway.js';
import { type GatewayProcess, startGatewayProcess } from '../../../support/gateway-process.js';
import { type MongoProxy, startMongoProxy } from '../../../support/mongo-proxy.js';

/** A gateway that can be killed, behind a database of its own temper. */
export interface Node {
  readonly url: string;
  readonly proxy: MongoProxy;
  readonly isAlive: boolean;
  /** Kills it as `kill -9` does, and starts another one in its place. */
  replace(): Promise<void>;
  /** The status and the body of a call; `undefined`: it had no answer. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer | undefined>;
}

/** An answer of the REST API. */
export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
  readonly data: any;
}

/** Nodes in processes of their own, on one database and one Redis. */
export interface Nodes {
  readonly environment: TestEnvironment;
  readonly all: readonly Node[];
  close(): Promise<void>;
}

/** How long a call may take before its sender gives it up. */
const CALL_MS = 20_000;

export async function startNodes(count: number): Promise<Nodes> {
  const database = await startEmbeddedDatabase();
  const environment = await createTestEnvironment({ nodes: 0, hasRedis: true, database });
  const all = await Promise.all(Array.from({ length: count }, () => startNode(environment)));
  return { environment, all, close: environment.close };
}

async function startNode({ env, database, defer }: TestEnvironment): Promise<Node> {
  const proxy = await startMongoProxy(database.url);
  defer(() => proxy.close());
  const start = (): Promise<GatewayProcess> => startGatewayProcess({ ...env, MONGODB_URL: proxy.url() });
  let gateway = await start();
  let isAlive = true;
  defer(() => gateway.close());
  return {
    proxy,
    get url() {
      return gateway.url;
    },
    get isAlive() {
      return isAlive;
    },
    async replace() {
      isAlive = false;
      gateway.child.kill('SIGKILL');
      await gateway.ended;
      gateway = await start();
      isAlive = true;
    },
    async call(method, path, body, headers = {}) {
      try {
        const response = await fetch(gateway.url + path, {
          method,
          headers: { 'x-api-key': API_KEY, 'content-type': 'application/json', ...headers },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          signal: AbortSignal.timeout(CALL_MS),
        });
        const { data } = (await response.json()) as { data?: unknown };
        return { status: response.status, data };
      } catch {
        return undefined;
      }
    },
  };
}
