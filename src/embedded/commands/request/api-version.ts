import { type Document, fieldOf, isDocument } from '../../bson/values.js';
import { fail } from '../../errors.js';

/** The commands in version 1 of MongoDB's Stable API. */
const IN_VERSION_1: ReadonlySet<string> = new Set([
  'abortTransaction',
  'aggregate',
  'bulkWrite',
  'collMod',
  'commitTransaction',
  'count',
  'create',
  'createIndexes',
  'delete',
  'drop',
  'dropDatabase',
  'dropIndexes',
  'endSessions',
  'explain',
  'find',
  'findAndModify',
  'getMore',
  'hello',
  'insert',
  'killCursors',
  'listCollections',
  'listDatabases',
  'listIndexes',
  'ping',
  'refreshSessions',
  'update',
]);

/** Stages outside that version. */
const STAGES_OUTSIDE: ReadonlySet<string> = new Set([
  '$currentOp',
  '$indexStats',
  '$listLocalSessions',
  '$listSessions',
]);

/**
 * Checks a command against the version of the Stable API that the client declares.
 * @throws DatabaseError APIVersionError for an unknown version, APIStrictError for a command outside the version
 */
export function ensureApiVersion(name: string, command: Document): void {
  const version = fieldOf(command, 'apiVersion');
  const isStrict = fieldOf(command, 'apiStrict') === true;
  if (version === undefined) {
    if (isStrict || fieldOf(command, 'apiDeprecationErrors') !== undefined) {
      fail('Location4886600', 'Provided apiStrict and/or apiDeprecationErrors without passing apiVersion');
    }
    return;
  }
  if (version !== '1') fail('APIVersionError', "API version must be '1'");
  if (isStrict && !IN_VERSION_1.has(name)) {
    fail('APIStrictError', `Provided apiStrict:true, but the command ${name} is not in API Version 1`);
  }
  if (!isStrict || !Array.isArray(command['pipeline'])) return;
  for (const stage of command['pipeline'].filter(isDocument).flatMap(Object.keys)) {
    if (STAGES_OUTSIDE.has(stage)) fail('APIStrictError', `stage ${stage} is not allowed with 'apiStrict: true'`);
  }
}
