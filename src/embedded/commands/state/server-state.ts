import type { ClusterTime } from '../../engine/cluster-time.js';
import type { Database } from '../../engine/database.js';
import { CursorStore } from './cursor-store.js';
import { createFailPoint, type FailPoint } from './fail-point.js';

/** State with the lifetime of the server: the engine, and what commands keep between calls. */
export interface ServerState {
  readonly engine: Database;
  readonly clusterTime: ClusterTime;
  readonly cursors: CursorStore;
  readonly failPoint: FailPoint;
  /** By `performance.now()`. */
  readonly startedAt: number;
  /** Counters that `serverStatus` reports. */
  readonly counters: { commands: number; connections: number };
}

/** The state of a server that starts now. */
export const createServerState = (engine: Database): ServerState => ({
  engine,
  clusterTime: engine.clusterTime,
  cursors: new CursorStore(),
  failPoint: createFailPoint(),
  startedAt: performance.now(),
  counters: { commands: 0, connections: 0 },
});
