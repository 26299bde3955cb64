import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readConfig } from '../../src/config.js';
import { backUp, restore } from '../../src/embedded/maintenance/backup.js';
import { type CheckReport, checkBackup, checkSnapshot } from '../../src/embedded/maintenance/check.js';
import { openSnapshot } from '../../src/embedded/maintenance/snapshot.js';
import { toUrl } from '../../src/embedded/process/address.js';
import { serveDirectory } from '../../src/embedded/server/serve-directory.js';
import { makeDirectory } from '../../src/platform/data-directory.js';
import { readArguments, refuseArguments } from '../arguments.js';
import { move } from './move/index.js';
import { askRunning, createValidation } from './running.js';

const USAGE = `The embedded database, by default that of the gateway in DATA_DIR/db.

  npm run db -- [--port 27117] [--host 127.0.0.1] [--repair]
      runs it alone, for several gateways, mongosh or Compass to share, and prints its URL
  npm run db -- --backup FILE
      writes all data at a point in time to a new file; the gateway may be running
  npm run db -- --restore FILE [--replace]
      restores a backup into an empty directory; with --replace into a used one, whose old log is kept
  npm run db -- --check [DIRECTORY or FILE]
      checks every byte, document and index; the gateway may be running
  npm run db -- --to mongodb://host/database [--from FILE] [--replace]
      copies everything to a MongoDB and compares it; run it again after an interruption

  --data DIRECTORY  another directory
`;

const OPTIONS = {
  port: { type: 'string', default: '27117' },
  host: { type: 'string', default: '127.0.0.1' },
  data: { type: 'string' },
  repair: { type: 'boolean', default: false },
  backup: { type: 'string' },
  restore: { type: 'string' },
  check: { type: 'boolean', default: false },
  to: { type: 'string' },
  from: { type: 'string' },
  replace: { type: 'boolean', default: false },
} as const;

/** What a command is given. */
export interface CommandContext {
  readonly env: NodeJS.ProcessEnv;
  /** A file with further settings. */
  readonly envFile?: string;
  /** Writes a line of the result. */
  print(line: string): void;
  /** Writes a line about a problem. */
  note(line: string): void;
}

const MAX_PORT = 65_535;
const INTERRUPTIONS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs `npm run db`.
 * @returns the exit code: 1 when problems were found
 * @throws Error when the command cannot be done
 */
export async function runCommand(args: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = readArguments(USAGE, { args: [...args], allowPositionals: true, options: OPTIONS });
  const commands = [values.backup, values.restore, values.to].filter((value) => value !== undefined);
  if (commands.length + Number(values.check) > 1) refuseArguments(USAGE, 'Only one command can be done at a time');
  if (positionals.length > Number(values.check)) refuseArguments(USAGE, `Unexpected argument '${positionals.at(-1)}'`);
  const directory = directoryOf(positionals[0] ?? values.data, context);
  if (values.check) return runCheck(directory, context);
  if (values.backup !== undefined) await runBackup(directory, resolve(values.backup), context);
  else if (values.restore !== undefined) {
    await runRestore({ directory, file: resolve(values.restore), isReplacing: values.replace }, context);
  } else if (values.to !== undefined) {
    const from = values.from === undefined ? directory : resolve(values.from);
    await move({ from, url: values.to, isReplacing: values.replace, print: context.print });
  } else await serve({ directory, ...values, port: toPort(values.port) }, context);
  return 0;
}

/** The data directory of the gateway, unless another one is given. */
function directoryOf(data: string | undefined, { env, envFile }: CommandContext): string {
  return data === undefined ? resolve(readConfig(env, envFile).storage.directory, 'db') : resolve(data);
}

function toPort(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return port <= MAX_PORT ? port : refuseArguments(USAGE, `'${text}' is no port: it is a number from 0 to ${MAX_PORT}`);
}

interface ServeArguments {
  readonly directory: string;
  readonly host: string;
  readonly port: number;
  readonly repair: boolean;
}

async function serve(
  { directory, host, port, repair }: ServeArguments,
  { print, note }: CommandContext,
): Promise<void> {
  makeDirectory(directory);
  const server = await serveDirectory({ directory, address: { host, port }, isRepairing: repair }, note);
  for (const signal of INTERRUPTIONS) process.once(signal, () => void server.stop().then(() => process.exit(0)));
  print(toUrl(server.address));
}

async function runBackup(directory: string, file: string, { print, note }: CommandContext): Promise<void> {
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort(new Error('The backup was interrupted'));
  for (const signal of INTERRUPTIONS) process.once(signal, interrupt);
  try {
    const result = await backUp(directory, file, { ask: askRunning, signal: interruption.signal });
    if (result.note !== undefined) note(`${result.note}: the backup has everything before it`);
    print(`${file}: ${result.byteLength} bytes${result.isRunning ? ', while the database was running' : ''}.`);
  } finally {
    for (const signal of INTERRUPTIONS) process.off(signal, interrupt);
  }
}

interface RestoreArguments {
  readonly directory: string;
  readonly file: string;
  readonly isReplacing: boolean;
}

async function runRestore(
  { directory, file, isReplacing }: RestoreArguments,
  { print }: CommandContext,
): Promise<void> {
  const { createdAt, byteLength, keptAs } = await restore(file, directory, isReplacing);
  print(`${directory} has the ${byteLength} bytes of ${createdAt.toISOString()}.`);
  if (keptAs !== undefined) print(`What was there is kept in ${join(directory, keptAs)}.`);
}

async function runCheck(path: string, { print, note }: CommandContext): Promise<number> {
  const { problems, collections } = await check(path);
  for (const { db, name, documents, bytes, indexes } of collections) {
    print(`${db}.${name}: ${documents} documents, ${bytes} bytes, ${Object.keys(indexes as object).length} indexes`);
  }
  for (const problem of problems) note(problem);
  print(problems.length === 0 ? 'No problem was found.' : `${problems.length} problems were found.`);
  return problems.length === 0 ? 0 : 1;
}

async function check(path: string): Promise<Pick<CheckReport, 'problems' | 'collections'>> {
  if (existsSync(path) && statSync(path).isFile()) return checkBackup(path);
  // DATA_DIR itself may be given, too.
  const inside = join(path, 'db');
  const isParent = !existsSync(join(path, 'data.log')) && existsSync(inside);
  const snapshot = await openSnapshot(isParent ? inside : path, askRunning);
  try {
    const { address } = snapshot;
    return await checkSnapshot(snapshot, address ? createValidation(address) : async () => []);
  } finally {
    snapshot.close();
  }
}
