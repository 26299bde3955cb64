import type { Document } from '../bson/values.js';
import { fail } from '../errors.js';
import { adminCommands } from './admin-commands.js';
import { aggregateCommands } from './aggregate-command.js';
import { bulkWriteCommands } from './bulk-write-command.js';
import { collectionCommands } from './collection-commands.js';
import { explainCommands } from './explain-command.js';
import { findAndModifyCommands } from './find-and-modify-command.js';
import { handshakeCommands } from './handshake-commands.js';
import { indexCommands } from './index-commands.js';
import { readCommands } from './read-commands.js';
import { ensureFieldType } from './request/field-types.js';
import { type Command, NO_FIELDS } from './request/request.js';
import { statisticsCommands } from './statistics-commands.js';
import { transactionCommands } from './transaction-commands.js';
import { writeCommands } from './write-commands.js';

const COMMANDS: ReadonlyMap<string, Command> = new Map(
  Object.entries({
    ...handshakeCommands,
    ...readCommands,
    ...writeCommands,
    ...findAndModifyCommands,
    ...bulkWriteCommands,
    ...aggregateCommands,
    ...explainCommands,
    ...indexCommands,
    ...collectionCommands,
    ...adminCommands,
    ...statisticsCommands,
    ...transactionCommands,
    listCommands: { fields: NO_FIELDS, run: listCommands },
  }),
);

/** The names of all commands, for tools. */
function listCommands(): Document {
  const names = [...COMMANDS.keys()];
  const describe = { help: '', requiresAuth: false, secondaryOk: true, adminOnly: false };
  return { commands: Object.fromEntries(names.map((name) => [name, describe])), ok: 1 };
}

/** Fields that every command supports. */
const COMMON_FIELDS: ReadonlySet<string> = new Set([
  '$db',
  'lsid',
  'txnNumber',
  'autocommit',
  'startTransaction',
  'stmtId',
  'stmtIds',
  '$readPreference',
  '$clusterTime',
  '$query',
  'readConcern',
  'writeConcern',
  'maxTimeMS',
  'comment',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
  'maxTimeMSOpOnly',
  'mayBypassWriteBlocking',
  'databaseVersion',
  'shardVersion',
  'rawData',
]);

/** The command with this name. @throws DatabaseError CommandNotFound */
export const findCommand = (name: string): Command =>
  COMMANDS.get(name) ?? fail('CommandNotFound', `no such command: '${name}'`);

/** Checks the fields of a command. @throws DatabaseError Location40415 naming one that is unknown, TypeMismatch */
export function ensureFields(name: string, command: Document, { fields }: Command): void {
  for (const field of Object.keys(command)) {
    if (field === name || COMMON_FIELDS.has(field)) continue;
    if (fields.has(field)) ensureFieldType(name, field, command[field]);
    else fail('Location40415', `BSON field '${name}.${field}' is an unknown field.`);
  }
}
