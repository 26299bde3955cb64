import { startDatabase } from '../support/database.js';
import { API_KEY } from '../support/gateway.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { parseMetrics, type Sample } from '../support/prometheus.js';
import { startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

/** Machines with several workers each, which share a Redis and a database. */
export interface Machines {
  /** Starts a primary with two workers, and waits until both serve. */
  start(env?: Readonly<Record<string, string>>): Promise<GatewayProcess>;
  /** Ends all of it. */
  close(): Promise<void>;
}

/** Starts the Redis and the database. */
export async function createMachines(): Promise<Machines> {
  const [redis, database] = await Promise.all([startRedis(), startDatabase()]);
  const started: GatewayProcess[] = [];
  return {
    async start(env = {}) {
      const machine = await startGatewayProcess({
        WORKERS: '2',
        REDIS_URL: redis.url,
        MONGODB_URL: database.url,
        NODE_NAME: 'machine',
        ...env,
      });
      started.push(machine);
      await until(() => pidsOf(machine).length === 2);
      return machine;
    },
    async close() {
      const pids = started.flatMap((machine) => pidsOf(machine));
      for (const { child } of started) child.kill('SIGKILL');
      await Promise.all(started.map(({ ended }) => ended));
      for (const pid of pids.filter(isRunning)) process.kill(pid, 'SIGKILL');
      await Promise.all([redis.dispose(), database.stop()]);
    },
  };
}

/** A line of the log. */
export interface LogLine {
  readonly time: number;
  readonly node: string;
  readonly event: string;
  readonly worker?: number;
  readonly pid?: number;
}

/** The log so far. */
export const logOf = ({ lines }: GatewayProcess): LogLine[] => lines.map((line) => JSON.parse(line) as LogLine);

/** Process ids of the workers that were started, in that order. */
export const pidsOf = (machine: GatewayProcess): number[] =>
  logOf(machine).flatMap(({ event, pid }) => (event === 'worker_serves' && pid !== undefined ? [pid] : []));

/** The series of a metric. */
export async function samplesOf({ url }: GatewayProcess, metric: string): Promise<Sample[]> {
  const text = await (await fetch(`${url}/metrics`, { headers: { 'x-api-key': API_KEY } })).text();
  const samples = [...parseMetrics(text).values()].flatMap((family) => family.samples);
  return samples.filter(({ name }) => name === metric);
}

/** The sum over the series of a metric. */
export const sumOf = async (machine: GatewayProcess, metric: string): Promise<number> =>
  (await samplesOf(machine, metric)).reduce((sum, { value }) => sum + value, 0);

/** A node of `GET /nodes`. */
interface Node {
  readonly id: string;
  readonly name: string | null;
  /** `null`: it does not answer. */
  readonly connections: number | null;
  readonly isDraining: boolean | null;
}

/** The nodes that are alive. */
export const nodesOf = async (machine: GatewayProcess): Promise<Node[]> =>
  (JSON.parse(await machine.ask('GET', '/nodes')) as { data: { nodes: Node[] } }).data.nodes;

/** Whether a process exists. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
