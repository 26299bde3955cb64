import type { Document } from '../../bson/values.js';
import { type DatabaseError, fail, toDatabaseError } from '../../errors.js';
import { type Request, requiredDocuments } from '../request/request.js';

/** The most statements one command can hold; `hello` reports it to drivers. */
export const MAX_WRITE_BATCH_SIZE = 100_000;

/**
 * A command's statements.
 * @throws DatabaseError InvalidLength for none, and for too many
 */
export function requiredStatements(request: Request, field: string): Document[] {
  const statements = requiredDocuments(request, field);
  if (statements.length > 0 && statements.length <= MAX_WRITE_BATCH_SIZE) return statements;
  return fail(
    'InvalidLength',
    `Write batch sizes must be between 1 and ${MAX_WRITE_BATCH_SIZE}. Got ${statements.length} operations.`,
  );
}

/** What to do with each statement of a command. It waits only for locks: most never do. */
export interface Batch<Statement> {
  readonly perform: (statement: Statement, index: number) => Document | Promise<Document>;
  readonly onDone: (result: Document, index: number) => void;
  readonly onError: (error: DatabaseError, index: number) => void;
}

/**
 * Runs statements in order; a failing one ends an ordered command and is passed over in an unordered one.
 * @throws DatabaseError what is about the whole command
 */
export async function runBatch<Statement>(
  { command, transaction }: Request,
  statements: readonly Statement[],
  { perform, onDone, onError }: Batch<Statement>,
): Promise<void> {
  const isOrdered = command['ordered'] !== false;
  for (const [index, statement] of statements.entries()) {
    try {
      const result = perform(statement, index);
      onDone(result instanceof Promise ? await result : result, index);
    } catch (error) {
      const databaseError = toDatabaseError(error);
      if (isFatal(databaseError)) throw databaseError;
      onError(databaseError, index);
      // A transaction in which a write failed is over.
      if (isOrdered || transaction) return;
    }
  }
}

const FATAL: ReadonlySet<string> = new Set([
  'InternalError',
  'OutOfDiskSpace',
  'MaxTimeMSExpired',
  'ShutdownInProgress',
  'TransactionTooLarge',
]);

/** Whether an error is about the whole command, not about the one statement it came up in. */
const isFatal = ({ errorLabels, codeName }: DatabaseError): boolean => errorLabels.length > 0 || FATAL.has(codeName);
