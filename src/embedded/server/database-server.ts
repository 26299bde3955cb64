import { createCommandHandler } from '../commands/dispatch.js';
import { createServerState, type ServerState } from '../commands/state/server-state.js';
import { Database, type DatabaseOptions } from '../engine/database.js';
import { deleteExpired } from '../engine/expiry.js';
import { createWireServer, type ListenAddress } from '../wire/listener.js';

/** What is served, and where. */
export interface ServerOptions extends DatabaseOptions {
  readonly address: ListenAddress;
  /** How often expired documents are looked for; mongod's 60 s. */
  readonly expiryIntervalMs?: number;
}

/** A server that answers. */
export interface RunningServer {
  readonly address: ListenAddress;
  /** Answers what is under way, writes what is owed, and ends. */
  stop(): Promise<void>;
}

const HOUSEKEEPING_INTERVAL_MS = 1000;
const EXPIRY_INTERVAL_MS = 60_000;

/** Opens the data and serves it. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const engine = new Database(options);
  const state = createServerState(engine);
  const wire = createWireServer(createCommandHandler(state), {
    onConnectionStart: () => {
      state.counters.connections += 1;
    },
    onConnectionEnd: () => {
      state.counters.connections -= 1;
    },
    onProtocolError: (error) => {
      if (error.name === 'ProtocolError') options.onProblem(`a connection was ended: ${error.message}`);
    },
  });
  const address = await wire.listen(options.address);
  const timers = startHousekeeping(state, options);
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    for (const timer of timers) clearInterval(timer);
    // Commands that wait for a transaction's lock must not keep the server from ending.
    for (const session of [...engine.sessions.values()]) session.transaction?.end();
    await wire.close();
    await engine.close();
  };
  return {
    address,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

function startHousekeeping(state: ServerState, options: ServerOptions): NodeJS.Timeout[] {
  const { engine, cursors } = state;
  const housekeeping = setInterval(() => {
    const now = Date.now();
    cursors.expire(now);
    engine.sessions.expire(now);
    engine.recoverLog();
  }, HOUSEKEEPING_INTERVAL_MS);
  let isExpiring = false;
  const expiry = setInterval(() => {
    if (isExpiring) return;
    isExpiring = true;
    deleteExpired(engine, Date.now())
      .catch((error: Error) => options.onProblem(`expired documents were not deleted: ${error.message}`))
      .finally(() => {
        isExpiring = false;
      });
  }, options.expiryIntervalMs ?? EXPIRY_INTERVAL_MS);
  return [housekeeping, expiry];
}
