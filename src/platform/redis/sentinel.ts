import { setTimeout as delay } from 'node:timers/promises';
import { withinMs } from '../time/within-ms.js';
import { CLUSTER_REMEDY, SENTINEL_REMEDY, toReason, UnknownMasterError, WrongServerError } from './refusal.js';
import { type Connection, createConnection, HUNG_AFTER_MS } from './server-connection.js';
import { type RedisServer, type RedisTarget, toHostAndPort } from './url.js';

/** How long to wait for the other sentinels after the first answer. A stale one may answer first. */
const OTHERS_LIMIT_MS = 250;

/** The master according to one sentinel. */
interface Answer {
  /** `undefined`: the sentinel does not monitor a master of this name. */
  readonly master: RedisServer | undefined;
  /** Grows with each fail-over. */
  readonly epoch: number;
}

/**
 * Finds the master through the sentinels. All are asked at once, and the answer with the latest configuration counts,
 * so that a sentinel that is cut off from the others does not lead to the former master. Concurrent callers share the
 * answer.
 */
export function createSentinelLocator(target: RedisTarget): () => Promise<RedisServer> {
  let pending: Promise<RedisServer> | undefined;
  return function locate() {
    pending ??= locateMaster(target).finally(() => {
      pending = undefined;
    });
    return pending;
  };
}

async function locateMaster(target: RedisTarget): Promise<RedisServer> {
  const answers: Answer[] = [];
  const failures: unknown[] = [];
  const asked = target.nodes.map((sentinel) =>
    askSentinel(sentinel, target).then(
      (answer) => void answers.push(answer),
      (error: unknown) => {
        failures.push(error);
        throw error;
      },
    ),
  );
  const anyAndSomeMore = Promise.any(asked).then(() => delay(OTHERS_LIMIT_MS, undefined, { ref: false }));
  await Promise.race([Promise.allSettled(asked), anyAndSomeMore.catch(() => undefined)]);

  const [best] = answers.filter(({ master }) => master !== undefined).toSorted((a, b) => b.epoch - a.epoch);
  if (best?.master !== undefined) return best.master;
  if (answers.length > 0) throw new UnknownMasterError(target.masterName, answers.length === target.nodes.length);
  throw failures[0];
}

async function askSentinel(sentinel: RedisServer, target: RedisTarget): Promise<Answer> {
  const { sentinelCredentials, masterName } = target;
  const connection = createConnection(sentinel, { ...target, credentials: sentinelCredentials, database: 0 });
  try {
    const ask = async (): Promise<unknown> => {
      await connection.connect();
      return connection.sendCommand(['SENTINEL', 'MASTER', masterName]);
    };
    const { ip = '', port, 'config-epoch': epoch } = toRecord(await withinMs(HUNG_AFTER_MS, ask()));
    return { master: { host: ip, port: Number(port) }, epoch: Number(epoch) };
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('ERR No such master'))
      return { master: undefined, epoch: -1 };
    if (error instanceof Error)
      error.message = `sentinel ${toHostAndPort(sentinel)}: ${toReason(error) || 'no answer'}`;
    throw error;
  } finally {
    connection.destroy();
  }
}

/** @throws WrongServerError when the connection leads to something else than a master */
export async function ensureMaster(connection: Connection): Promise<void> {
  const { role = 'master' } = await helloOf(connection);
  if (role !== 'master') throw new WrongServerError(`the server is not a master but a ${role}`);
}

/** @throws WrongServerError when the connection leads to a sentinel, or to a node of a Redis Cluster */
export async function ensureSingle(connection: Connection): Promise<void> {
  const { mode } = await helloOf(connection);
  if (mode === 'sentinel') throw new WrongServerError('the server is a sentinel', SENTINEL_REMEDY);
  if (mode === 'cluster') throw new WrongServerError('the server is a node of a Redis Cluster', CLUSTER_REMEDY);
}

/** What a server says about itself. Any user may ask; `ROLE` and `INFO` need more rights. */
const helloOf = async (connection: Connection): Promise<Record<string, string>> =>
  toRecord(await connection.sendCommand(['HELLO']));

/** From a reply with names and values: a map, or a flat list in the earlier protocol. */
function toRecord(reply: unknown): Record<string, string> {
  const flat = Array.isArray(reply) ? reply : Object.entries(reply ?? {}).flat();
  const record: Record<string, string> = {};
  for (let i = 0; i < flat.length; i += 2) record[String(flat[i])] = String(flat[i + 1]);
  return record;
}
