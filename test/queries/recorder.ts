import { createRequire } from 'node:module';
import { setTimeout } from 'node:timers/promises';
import { createGate } from '../support/gate.js';

/** A command as the driver sent it. */
export interface RecordedCommand {
  /** The name of the command, such as `find`. */
  readonly name: string;
  readonly command: Readonly<Record<string, unknown>>;
}

/** Keeps the commands of one application of this process. */
export interface Recorder {
  readonly commands: readonly RecordedCommand[];
  /** From now on commands wait, as for a slow database. @returns lets them go on */
  hold(): () => void;
  stop(): void;
}

interface DriverConnection {
  command(namespace: unknown, command: Record<string, unknown>, ...rest: unknown[]): Promise<unknown>;
}

const requireFromMongoose = createRequire(createRequire(import.meta.url).resolve('mongoose'));
const { Connection } = requireFromMongoose('mongodb/lib/cmap/connection.js') as {
  Connection: { prototype: DriverConnection };
};

/** Options of {@link recordCommands}. */
interface RecorderOptions {
  /** How long a command waits before it is sent; absent: not at all. */
  readonly delayMs?: (() => number) | undefined;
}

/**
 * Records the commands that the driver sends for the application that says `appName` when it connects. Every way to the
 * database, Mongoose, collections and GridFS, goes through `Connection.command`; the driver's own events would need an
 * option of the client that the product has no use for.
 */
export function recordCommands(appName: string, { delayMs }: RecorderOptions = {}): Recorder {
  const { prototype } = Connection;
  const original = prototype.command;
  const ours = new WeakSet<DriverConnection>();
  const commands: RecordedCommand[] = [];
  const gate = createGate();
  prototype.command = function command(namespace, sent, ...rest) {
    if (appNameOf(sent) === appName) ours.add(this);
    const [name] = Object.keys(sent);
    const send = (): Promise<unknown> => original.call(this, namespace, sent, ...rest);
    if (name === undefined || !ours.has(this) || OF_CONNECTIONS.has(name)) return send();
    commands.push({ name, command: withLists(sent) });
    const opened = delayMs === undefined ? gate.opened : setTimeout(delayMs());
    return opened === undefined ? send() : opened.then(send);
  };
  return {
    commands,
    hold: gate.hold,
    stop() {
      prototype.command = original;
    },
  };
}

/**
 * Commands by which the driver opens its connections and watches the server. They are not recorded: it opens one when commands
 * wait, which depends on the load of the machine.
 */
const OF_CONNECTIONS: ReadonlySet<string> = new Set(['hello', 'ismaster', 'ping', 'saslStart', 'saslContinue']);

/** The driver sends the statements of some commands beside them, as a sequence of documents. */
const withLists = (command: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(command).map(([field, value]) => {
      const { documents } = (value ?? {}) as { documents?: unknown };
      return [field, Array.isArray(documents) ? documents : value];
    }),
  );

/** The application that a handshake names. */
function appNameOf({ client }: Record<string, unknown>): unknown {
  // The driver keeps the metadata in a promise or a map, so it is read as it will be sent.
  if (client === undefined) return undefined;
  const { application } = toPlain(client) as { application?: unknown };
  return application === undefined ? undefined : (toPlain(application) as { name?: unknown }).name;
}

const toPlain = (value: unknown): unknown => (value instanceof Map ? Object.fromEntries(value) : value);
