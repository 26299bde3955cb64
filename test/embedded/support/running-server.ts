import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mongo } from 'mongoose';
import { onTestFinished } from 'vitest';
import { toUrl } from '../../../src/embedded/process/address.js';
import { type RunningServer, type ServerOptions, startServer } from '../../../src/embedded/server/database-server.js';
import { createMemoryStorage, type MemoryStorage } from './memory-storage.js';

/** Creates a directory that is removed after the test. */
export function createTemporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'embedded-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A server in this process with a real socket, a storage that can fail, and a connected driver. */
export interface TestServer {
  readonly url: string;
  readonly path: string;
  readonly storage: MemoryStorage;
  readonly server: RunningServer;
  readonly problems: string[];
  readonly client: mongo.MongoClient;
  readonly db: mongo.Db;
  /** Connects another client. */
  connect(options?: mongo.MongoClientOptions): Promise<mongo.MongoClient>;
}

/** Starts a server that stops after the test. */
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
