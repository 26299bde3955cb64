import { createCommandHandler } from '../commands/dispatch.js';
import { createServerState, type ServerState } from '../commands/state/server-state.js';
import { Database } from '../engine/database.js';
import type { LogOptions } from '../store/log-store.js';
import { createWireListener, type ListenAddress, type WireListener } from '../wire/listener.js';
import { type HousekeepingOptions, startHousekeeping } from './housekeeping.js';

/** Options of {@link startServer}. */
export interface ServerOptions extends Omit<LogOptions, 'onWritable'>, Omit<HousekeepingOptions, 'checkStorage'> {
  readonly address: ListenAddress;
  /** Writes fail, with the reason, or work again (`undefined`). Called when this changes. */
  onStorage?(problem: string | undefined): void;
}

/** A server that accepts connections. */
export interface RunningServer {
  readonly address: ListenAddress;
  /** Waits for running commands, finishes all writes, and stops. */
  stop(): Promise<void>;
}

/** Opens the data and serves it. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const watch = watchStorage(options);
  const state = createServerState(new Database({ ...options, onWritable: watch.onWritable }));
  const listener = createListener(state, options);
  const address = await listener.listen(options.address);
  const stopHousekeeping = startHousekeeping(state, { ...options, checkStorage: watch.check });
  watch.check();

  async function stop(): Promise<void> {
    stopHousekeeping();
    // Running commands can wait for the lock of a transaction.
    for (const session of [...state.engine.sessions.values()]) session.transaction?.end();
    await listener.close();
    await state.engine.close();
  }

  let stopping: Promise<void> | undefined;
  return {
    address,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** Joins what writes tell about the storage with what the system tells, also while nothing is written. */
function watchStorage({ storage, onStorage }: ServerOptions) {
  let ofWrites: string | undefined;
  let ofSystem: string | undefined;
  let reported: string | undefined;
  const report = (): void => {
    const problem = ofWrites ?? ofSystem;
    if ((problem === undefined) === (reported === undefined)) return;
    reported = problem;
    onStorage?.(problem);
  };
  return {
    onWritable(reason: string | undefined): void {
      ofWrites = reason;
      report();
    },
    check(): void {
      ofSystem = storage.problem();
      report();
    },
  };
}

function createListener(state: ServerState, { onProblem }: ServerOptions): WireListener {
  return createWireListener(createCommandHandler(state), {
    onConnectionStart: () => {
      state.counters.connections += 1;
    },
    onConnectionEnd: () => {
      state.counters.connections -= 1;
    },
    onConnectionError: (error) => {
      if (error.name === 'ProtocolError') onProblem(`closed a connection after a protocol error: ${error.message}`);
    },
  });
}
