import type { Document } from '../../bson/values.js';
import type { Writer } from '../../engine/writer.js';
import { type DatabaseError, fail, toDatabaseError } from '../../errors.js';
import { requiredDocuments } from '../request/fields.js';
import type { Request } from '../request/request.js';
import { createStatementRunner } from './statement-runner.js';

/** The most statements in one command; `hello` reports it to drivers. */
export const MAX_WRITE_BATCH_SIZE = 100_000;

/**
 * The statements of a write command.
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

/** How a command executes its statements and collects their results. */
export interface StatementHandlers<Statement> {
  /** Makes the change of a statement. It is called again after waiting for a lock. */
  readonly perform: (statement: Statement, writer: Writer) => Document;
  readonly onDone: (result: Document, index: number) => void;
  readonly onError: (error: DatabaseError, index: number) => void;
}

/**
 * Runs statements in order. After a failed statement an unordered command continues, an ordered one stops.
 * @throws DatabaseError an error that concerns the whole command
 */
export async function runStatements<Statement>(
  request: Request,
  statements: readonly Statement[],
  { perform, onDone, onError }: StatementHandlers<Statement>,
): Promise<void> {
  const runner = createStatementRunner(request);
  const isOrdered = request.command['ordered'] !== false;
  try {
    for (const [index, statement] of statements.entries()) {
      try {
        const result = runner.run(index, (writer) => perform(statement, writer));
        // Most statements do not wait for a lock.
        onDone(result instanceof Promise ? await result : result, index);
      } catch (error) {
        const databaseError = toDatabaseError(error);
        if (isFatal(databaseError)) throw databaseError;
        onError(databaseError, index);
        // A failed write aborts the transaction.
        if (isOrdered || request.transaction) return;
      }
    }
  } finally {
    runner.finish();
  }
}

const FATAL: ReadonlySet<string> = new Set([
  'InternalError',
  'OutOfDiskSpace',
  'FileStreamFailed',
  'MaxTimeMSExpired',
  'ShutdownInProgress',
  'TransactionTooLarge',
]);

/** Whether an error concerns the whole command, not a single statement. */
const isFatal = ({ errorLabels, codeName }: DatabaseError): boolean => errorLabels.length > 0 || FATAL.has(codeName);
