import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { mongo } from 'mongoose';

type Command = Record<string, unknown>;

/** The driver's connection. The driver takes another class (`connectionType`), but does not export its own. */
interface DriverConnection {
  command(namespace: object, command: Command, options?: object, responseType?: unknown): Promise<unknown>;
}
type ConnectionClass = new (socket: Socket, options: object) => DriverConnection;

const requireFromMongoose = createRequire(createRequire(import.meta.url).resolve('mongoose'));
const { Connection } = requireFromMongoose('mongodb/lib/cmap/connection.js') as { Connection: ConnectionClass };

/** Commands that work on documents: the server ends them when their time is up. */
const LIMITED = new Set([
  'find',
  'aggregate',
  'count',
  'distinct',
  'insert',
  'update',
  'delete',
  'findAndModify',
  'bulkWrite',
]);
/** Commands that may take as long as a collection is large. */
const UNLIMITED = new Set(['createIndexes', 'dropIndexes']);

/**
 * Makes the class of a client's connections, which adds to the driver's:
 *
 * - `maxTimeMS` on each read and write. The driver's `timeoutMS` has no effect, and Mongoose's `maxTimeMS` knows of its own
 *   queries only.
 * - An end for a command that was being written when the socket broke. A socket that cannot be written to says "not now",
 *   and the driver waits for `drain` without looking whether the socket still lives: when that has ended already the command
 *   hangs forever, and when it ends now the command fails with the error of the socket, which the driver does not know as
 *   one of the network and does not retry (seen with mongodb 7.8 and 7.9).
 * - The labels of network errors. When several commands are in flight on a server that is lost, the driver labels only the
 *   first error, because it then knows nothing of the server any more; the other writes would not be retried.
 */
export function createConnectionType({ maxTimeMs }: { maxTimeMs: number }): ConnectionClass {
  return class LimitedConnection extends Connection {
    constructor(socket: Socket, options: object) {
      super(socket, options);
      // Behind the driver's own listeners: it goes on, and finds that the connection has ended.
      const wake = (): void => void socket.emit('drain');
      socket.on('error', wake).on('close', wake);
    }

    override async command(
      namespace: object,
      command: Command,
      options?: CommandOptions,
      responseType?: unknown,
    ): Promise<unknown> {
      const [name = ''] = Object.keys(command);
      const isLimited = LIMITED.has(name) && command['maxTimeMS'] === undefined;
      try {
        return await super.command(
          namespace,
          isLimited ? { ...command, maxTimeMS: maxTimeMs } : command,
          UNLIMITED.has(name) ? { ...options, socketTimeoutMS: 0 } : options,
          responseType,
        );
      } catch (error) {
        if (error instanceof mongo.MongoNetworkError) label(error, name, options);
        throw error;
      }
    }
  };
}

/** Options that the driver gives to a command. */
interface CommandOptions {
  /** The command has a transaction number, by which the server recognizes a repetition. */
  readonly willRetryWrite?: boolean;
  readonly session?: { inTransaction(): boolean };
}

/** Adds the label by which the driver retries a command or a transaction. */
function label(error: mongo.MongoNetworkError, name: string, { willRetryWrite, session }: CommandOptions = {}): void {
  const isEnd = name === 'commitTransaction' || name === 'abortTransaction';
  if (isEnd || willRetryWrite === true) error.addErrorLabel(mongo.MongoErrorLabel.RetryableWriteError);
  else if (session?.inTransaction() === true) error.addErrorLabel(mongo.MongoErrorLabel.TransientTransactionError);
}
