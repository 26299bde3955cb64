import { connect } from 'node:net';
import { mongo } from 'mongoose';
import type { ValidateRunning } from '../../src/embedded/maintenance/check.js';
import type { AskRunning, RunningSnapshot } from '../../src/embedded/maintenance/snapshot.js';
import { toUrl } from '../../src/embedded/process/address.js';
import type { ListenAddress } from '../../src/embedded/wire/listener.js';

/** Long enough for a database that is busy with a large command. */
const ANSWER_TIMEOUT_MS = 60_000;

/** Asks a running database for a snapshot. */
export const askRunning: AskRunning = async (address) => {
  if (!(await isListening(address))) return undefined;
  return withClient(address, async (client) => {
    try {
      return (await client.db('admin').command({ logSnapshot: 1 })) as unknown as RunningSnapshot;
    } catch (error) {
      if (error instanceof mongo.MongoServerError && error.codeName === 'CommandNotFound') {
        throw new Error('The running database is of an earlier version; stop it first', { cause: error });
      }
      throw error;
    }
  });
};

/** Validates collections of a running database. */
export const createValidation =
  (address: ListenAddress): ValidateRunning =>
  (database, collection) =>
    withClient(address, async (client) => {
      try {
        const { errors } = await client.db(database).command({ validate: collection });
        return errors as string[];
      } catch (error) {
        // It was dropped since the snapshot.
        if (error instanceof mongo.MongoServerError && error.codeName === 'NamespaceNotFound') return [];
        throw error;
      }
    });

async function withClient<T>(address: ListenAddress, use: (client: mongo.MongoClient) => Promise<T>): Promise<T> {
  const client = new mongo.MongoClient(toUrl(address), { serverSelectionTimeoutMS: ANSWER_TIMEOUT_MS });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

function isListening(address: ListenAddress): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(address, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}
