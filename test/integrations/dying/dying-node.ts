import { Types } from 'mongoose';
import { type ClientOptions, connect, type TestClient } from '../../support/client.js';
import type { TestEnvironment, TestUser } from '../../support/environment.js';
import { startGatewayProcess } from '../../support/gateway-process.js';
import { type Document, type MongoProxy, startMongoProxy } from '../../support/mongo-proxy.js';

/** A node in a process of its own that can be killed between storing a change and sending it. */
export interface DyingNode {
  readonly url: string;
  /** In front of its database. */
  readonly proxy: MongoProxy;
  open(user: TestUser, options?: ClientOptions): Promise<TestClient>;
  /**
   * Makes a call whose change is stored and never sent: the node never hears that it is stored.
   * @param stores whether a command stores the change
   */
  storeOnly(
    client: TestClient,
    [event, data]: readonly [string, object],
    stores: (command: Document) => boolean,
  ): Promise<void>;
  /** kill -9. Resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Starts a node that ends with the environment at the latest. */
export async function startDyingNode(environment: TestEnvironment): Promise<DyingNode> {
  const proxy = await startMongoProxy(environment.database.url);
  const node = await startGatewayProcess({
    ...environment.env,
    MONGODB_URL: proxy.url('directConnection=true'),
    LOG_LEVEL: 'info',
  });
  const kill = async (): Promise<void> => {
    node.child.kill('SIGKILL');
    await node.ended;
    await proxy.close();
  };
  environment.defer(kill);
  const forever = new Promise<never>(() => undefined);
  return {
    url: node.url,
    proxy,
    async open(user, options = {}) {
      const claims = { uid: user.id, account_id: user.accountId };
      const client = await connect(node, { namespace: '/v1/conversation', claims, ...options });
      environment.defer(() => client.close());
      return client;
    },
    async storeOnly(client, [event, data], stores) {
      const stored = new Promise<void>((resolve) => {
        let isHeld = false;
        proxy.rules = {
          onReply(reply, command) {
            if (isHeld || !stores(command)) return reply;
            isHeld = true;
            resolve();
            return forever;
          },
        };
      });
      // A refusal would never come to the database.
      const refused = client.ask(event, data).then((answer) => {
        throw new Error(`${event} was answered: ${JSON.stringify(answer)}`);
      });
      await Promise.race([stored, refused]);
    },
    kill,
  };
}

/** Whether a command of this name has all of these texts in it. */
export const isCommand =
  (name: string, ...texts: readonly string[]) =>
  (command: Document): boolean => {
    if (command[name] === undefined) return false;
    const text = JSON.stringify(command, (_key, value) =>
      value instanceof Types.ObjectId ? value.toHexString() : value,
    );
    return texts.every((one) => text.includes(one));
  };
