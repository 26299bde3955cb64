import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jwt from 'jsonwebtoken';
import { createApp } from '../app.js';
import { type Config, readConfig } from '../config.js';
import { startInMemory } from '../embedded/index.js';
import { createLogger } from '../platform/logging/logger.js';
import type { EmittedEvent } from '../realtime/emitted.js';
import { createMovableClock } from './clock.js';
import { connectDevice, type Device } from './device.js';
import { createInbox } from './inbox.js';
import type { ConnectOptions, startGateway as declared, GatewaySettings, TestGateway, TokenOptions } from './types.js';

export type * from './types.js';

const DATABASE = 'general-socket';

/** The export of `general-socket/testing`; `types.ts` describes it. */
export const startGateway: typeof declared = async ({ users = [], settings = {} } = {}) => {
  const directory = await mkdtemp(join(tmpdir(), 'general-socket-test-'));
  const secret = randomBytes(32).toString('hex');
  const apiKey = randomBytes(24).toString('hex');
  const clock = createMovableClock();
  const emitted: EmittedEvent[] = [];
  const inbox = createInbox();
  const devices: { userId: string; device: Device }[] = [];
  let databaseUrl = '';

  const removeDirectory = (): Promise<void> => rm(directory, { recursive: true, force: true });
  const config = await toConfig(directory, { JWT_SECRET: secret, EMIT_API_KEYS: apiKey, ...settings }).catch(
    async (error: unknown) => {
      await removeDirectory();
      throw error;
    },
  );
  const app = createApp(config, {
    clock,
    logger: createLogger({ level: config.logLevel, isPretty: true }),
    onEmitted: (one) => void emitted.push(one),
    async startEmbedded({ logger }) {
      const database = await startInMemory({ database: DATABASE, ...(logger && { logger }) });
      databaseUrl = database.url;
      return database;
    },
  });

  async function stop(): Promise<void> {
    inbox.close();
    await Promise.all(devices.map(({ device }) => device.disconnect()));
    await app.close();
    await removeDirectory();
  }

  function token(userId: string, options: TokenOptions = {}): string {
    const { scope = 'conversation', accountId = 'account-1', expiresInSeconds = 3600, claims = {} } = options;
    const issuedAt = Math.floor(clock.now() / 1000);
    const times = { iat: issuedAt, exp: issuedAt + expiresInSeconds };
    return jwt.sign({ uid: userId, account_id: accountId, scope, ...times, ...claims }, secret);
  }

  const { port } = await app.start().catch(async (error: unknown) => {
    await removeDirectory();
    throw error;
  });
  const url = `http://127.0.0.1:${port}`;

  async function connect(userId: string, options: ConnectOptions = {}): Promise<Device> {
    const { namespace = '/v1/shared', deviceId, ...claims } = options;
    const device = await connectDevice({
      url,
      namespace,
      deviceId,
      token: token(userId, claims),
      onReceived: (received) => inbox.put(userId, received),
    });
    devices.push({ userId, device });
    return device;
  }

  try {
    await Promise.all(users.map((userId) => connect(userId)));
  } catch (error) {
    await stop();
    throw error;
  }
  let stopping: Promise<void> | undefined;
  const gateway: TestGateway = {
    url,
    apiKey,
    databaseUrl,
    clock,
    token,
    connect,
    async received<Payload>(userId: string, event: string, { timeoutMs = 10_000 } = {}) {
      if (!devices.some((one) => one.userId === userId)) {
        throw new Error(
          `no device of ${userId} is connected: name the user in startGateway({ users }) or call connect()`,
        );
      }
      const { args } = await inbox.take(userId, event, timeoutMs);
      return args[0] as Payload;
    },
    emitted: (filter = {}) => emitted.filter((one) => matches(one, filter)),
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
    [Symbol.asyncDispose]: () => gateway.stop(),
  };
  return gateway;
};

/** The settings of a gateway for tests. It reads no file of the directory in which the tests run. */
async function toConfig(directory: string, settings: GatewaySettings): Promise<Config> {
  const empty = join(directory, 'empty.yml');
  await writeFile(empty, '');
  return readConfig({
    NODE_ENV: 'test',
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: directory,
    CONFIG_FILE: empty,
    SITES_FILE: empty,
    LOG_LEVEL: 'silent',
    SHUTDOWN_DRAIN_MS: '0',
    // Tests that move time would reach these.
    CONNECT_TIMEOUT_MS: '86400000',
    EVENT_TIMEOUT_MS: '86400000',
    ...settings,
  });
}

const matches = (one: EmittedEvent, filter: Partial<EmittedEvent>): boolean =>
  (Object.keys(filter) as (keyof EmittedEvent)[]).every(
    (key) => JSON.stringify(one[key]) === JSON.stringify(filter[key]),
  );
