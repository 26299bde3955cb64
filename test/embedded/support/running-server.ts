import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mongo } from 'mongoose';
import { onTestFinished } from 'vitest';
import { toUrl } from '../../../src/embedded/process/address.js';
import { type RunningServer, type ServerOptions, startServer } from '../../../src/embedded/server/database-server.js';
import { createMemoryStorage, type MemoryStorage } from './memory-storage.js';

/** A directory that is gone when the test is over. */
export function createTemporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'embedded-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A server in this process, over a real socket and a disk that can be made to fail, with a driver connected to it. */
export interface TestServer {
  readonly url: string;
  readonly path: string;
  readonly storage: MemoryStorage;
  readonly server: RunningServer;
  readonly problems: string[];
  readonly client: mongo.MongoClient;
  readonly db: mongo.Db;
  /** Another client of the same server. */
  connect(options?: mongo.MongoClientOptions): Promise<mongo.MongoClient>;
}

/** Starts a server that ends with the test. */
export async function startTestServer(
  options: Partial<ServerOptions> & { storage?: MemoryStorage; clientOptions?: mongo.MongoClientOptions } = {},
): Promise<TestServer> {
  const path = join(createTemporaryDirectory(), 'db.sock');
  const storage = options.storage ?? createMemoryStorage();
  const problems: string[] = [];
  const server = await startServer({
    address: { path },
    onProblem: (message) => problems.push(message),
    ...options,
    storage,
  });
  const clients: mongo.MongoClient[] = [];
  onTestFinished(async () => {
    for (const client of clients) await client.close();
    await server.stop();
  });
  const url = toUrl(server.address, 'test');
  const connect = async (clientOptions: mongo.MongoClientOptions = {}): Promise<mongo.MongoClient> => {
    const client = new mongo.MongoClient(url, clientOptions);
    clients.push(client);
    return client.connect();
  };
  const client = await connect(options.clientOptions);
  return { url, path, storage, server, problems, client, db: client.db('test'), connect };
}
