import { setTimeout } from 'node:timers/promises';
import { type ConnectOptions, mongo as driver } from 'mongoose';
import type { Logger } from '../logging/logger.js';
import { fixedOptions } from './options.js';
import { type MongoUrl, redact } from './url.js';

/** The oldest supported MongoDB, and its wire version. */
const OLDEST = { version: '6.0', wireVersion: 17 };
/** Time limit of one attempt. */
const ATTEMPT_MS = 2000;
/** Pause between attempts. */
const PAUSE_MS = 250;

/** Error codes of the probe in {@link ensureUsable} on a server without transactions. */
const NO_TRANSACTIONS_CODES: ReadonlySet<unknown> = new Set([20, 263]);
/** An engine that ignores that a command belongs to a transaction does not know how to end one. */
const UNKNOWN_COMMAND_CODE = 59;
const REPLICA_SET_ADVICE =
  'start mongod with --replSet rs0, run rs.initiate() in mongosh once, and add replicaSet=rs0 to MONGODB_URL';

/** The server cannot be used; retrying does not help. */
class UnusableError extends Error {}

interface Dependencies {
  readonly startupTimeoutMs: number;
  readonly logger: Pick<Logger, 'warn'>;
}

/**
 * Waits for a usable server: a primary of a supported version, with transactions.
 * @throws Error one sentence with the remedy, without the password; at once when retrying does not help, else after
 *   `startupTimeoutMs`
 */
export async function ensureServer(
  target: MongoUrl,
  options: ConnectOptions,
  { startupTimeoutMs, logger }: Dependencies,
): Promise<void> {
  const giveUpAt = performance.now() + startupTimeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    const remainingMs = giveUpAt - performance.now();
    try {
      return await attemptOnce(target, { ...options, serverSelectionTimeoutMS: clamp(remainingMs) });
    } catch (error) {
      const reason = redact(toReason(error, target.address), target.url);
      if (error instanceof UnusableError || isFinal(error)) throw new Error(reason);
      if (performance.now() + PAUSE_MS > giveUpAt) throw new Error(`${reason}. ${toQuestion(target)}`);
      if (attempt === 1) logger.warn({ reason }, 'database: not ready; retrying');
    }
    await setTimeout(PAUSE_MS);
  }
}

function toQuestion({ hasOption }: MongoUrl): string {
  const isTls = hasOption('tls') || hasOption('ssl');
  return `Is it running, ${isTls ? 'does it use TLS, ' : ''}and is MONGODB_URL right?`;
}

const clamp = (remainingMs: number): number => Math.max(1, Math.min(ATTEMPT_MS, Math.ceil(remainingMs)));

async function attemptOnce({ url, address }: MongoUrl, options: ConnectOptions): Promise<void> {
  const client = new driver.MongoClient(url, options as driver.MongoClientOptions);
  // The driver also emits an event for an incompatible server; the attempt itself fails as well.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await ensureUsable(client, address);
  } finally {
    await client.close().catch(() => undefined);
  }
}

/** @throws UnusableError for a server that can never be used; other errors may be temporary */
async function ensureUsable(client: driver.MongoClient, address: string): Promise<void> {
  const admin = client.db('admin');
  const hello = await admin.command({ hello: 1 });
  if (Number(hello['maxWireVersion']) < OLDEST.wireVersion) {
    const version = await admin.command({ buildInfo: 1 }).then(
      (info) => String(info['version']),
      () => `of wire version ${hello['maxWireVersion']}`,
    );
    throw tooOld(address, version);
  }
  if (hello['isreplicaset'] === true) throw notInitiated(address);
  const isMongos = hello['msg'] === 'isdbgrid';
  if (!isMongos && hello['isWritablePrimary'] !== true) {
    throw new Error(`MongoDB at ${address} is not the primary; name the whole replica set in MONGODB_URL`);
  }
  await probeTransaction(client, address);
}

/**
 * Probes transactions, because `hello` is not reliable: some engines have transactions and report a standalone, others
 * the reverse. It is committed, because the driver ignores the failure of an abort.
 */
async function probeTransaction(client: driver.MongoClient, address: string): Promise<void> {
  const session = client.startSession();
  try {
    session.startTransaction({ ...fixedOptions, readConcern: { level: 'snapshot' } });
    await client
      .db()
      .collection('delivery.recipients')
      .findOne({ _id: 'probe' as never }, { session });
    await session.commitTransaction();
  } catch (error) {
    if (error instanceof driver.MongoServerError && error.code === UNKNOWN_COMMAND_CODE) {
      throw new UnusableError(
        `The database at ${address} has no transactions: the gateway needs MongoDB, or another engine that has them`,
      );
    }
    if (error instanceof driver.MongoServerError && NO_TRANSACTIONS_CODES.has(error.code)) {
      throw new UnusableError(
        `MongoDB at ${address} has no transactions, because it is not a replica set: ${REPLICA_SET_ADVICE}`,
      );
    }
    throw error;
  } finally {
    await session.endSession();
  }
}

const tooOld = (address: string, version: string): UnusableError =>
  new UnusableError(`MongoDB ${version} at ${address} is too old: the gateway needs ${OLDEST.version} or newer`);

const notInitiated = (address: string): UnusableError =>
  new UnusableError(
    `The replica set of MongoDB at ${address} has not been initiated: run rs.initiate() in mongosh once`,
  );

/** The driver's messages about servers with incompatible versions. */
const incompatibilitiesOf = (error: unknown): string[] =>
  error instanceof driver.MongoServerSelectionError
    ? [...(error.reason?.servers.values() ?? [])].flatMap(({ error: cause }) =>
        cause instanceof driver.MongoCompatibilityError ? [cause.message] : [],
      )
    : [];

/** Refused credentials, an incompatible version, or unusable options, such as a missing certificate. */
const isFinal = (error: unknown): boolean =>
  error instanceof driver.MongoServerError
    ? [13, 18, 8000].includes(Number(error.code))
    : incompatibilitiesOf(error).length > 0 ||
      error instanceof driver.MongoParseError ||
      error instanceof driver.MongoInvalidArgumentError;

/** The reason in one line. */
function toReason(error: unknown, address: string): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof driver.MongoServerSelectionError && error.reason !== undefined) {
    const [incompatibility] = incompatibilitiesOf(error);
    if (incompatibility !== undefined)
      return `MongoDB at ${address} is too old or too new: ${oneLine(incompatibility)}`;
    return `MongoDB cannot be reached at ${address} (${describeTopology(error.reason)})`;
  }
  if (error instanceof UnusableError || error.message.startsWith('MongoDB at ')) return error.message;
  return `MongoDB at ${address} cannot be used: ${oneLine(error.message)}`;
}

type Topology = NonNullable<driver.MongoServerSelectionError['reason']>;

/** The state of each server, as the driver knows it. */
function describeTopology({ servers, setName }: Topology): string {
  const found = [...servers.values()].map(({ address, type, error }) => {
    if (error !== null) return oneLine(error.message);
    return `${address}: ${type === 'RSGhost' ? 'not initiated, run rs.initiate() in mongosh once' : statesOf(type)}`;
  });
  if (found.length > 0) return found.join('; ');
  // The driver forgets servers of another replica set.
  return setName === null
    ? 'no server is known'
    : `no server there is of the replica set ${setName}, see replicaSet in MONGODB_URL`;
}

const statesOf = (type: string): string =>
  ({ RSSecondary: 'a secondary, and there is no primary', RSOther: 'not ready', Unknown: 'no answer' })[type] ?? type;

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ').replace(/\.$/, '');
