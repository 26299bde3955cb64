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
import type { Command } from './request/request.js';
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
    ...transactionCommands,
  }),
);

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

/** Checks that a command has no unknown field. @throws DatabaseError Location40415 naming the field */
export function ensureKnownFields(name: string, command: Document, { fields }: Command): void {
  for (const field of Object.keys(command)) {
    if (field === name || fields.has(field) || COMMON_FIELDS.has(field)) continue;
    fail('Location40415', `BSON field '${name}.${field}' is an unknown field.`);
  }
}
