import { createMemoryStorage } from '../store/memory-storage.js';
import type { ListenAddress } from '../wire/listener.js';
import { type RunningServer, startServer } from './database-server.js';

/** Serves a database whose data is gone when the server stops. */
export const serveMemory = (address: ListenAddress, onProblem: (message: string) => void): Promise<RunningServer> =>
  startServer({ address, storage: createMemoryStorage(), onProblem });
