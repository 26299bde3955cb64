import type { Document } from '../../bson/values.js';
import { DirectWriter } from '../../engine/direct-writer.js';
import { LockedError } from '../../engine/lock.js';
import { TransactionWriter } from '../../engine/transaction-writer.js';
import type { Writer } from '../../engine/writer.js';
import type { Request } from '../request/request.js';
import { waitForLock } from './lock-wait.js';

/** Makes the change of a statement and returns its result. It runs again after waiting for a lock. */
type Perform = (writer: Writer) => Document;

/** Runs the statements of one write command. */
export interface StatementRunner {
  /**
   * Runs a statement. If the command is a retry, returns the stored result of the first attempt instead.
   * @param statement - the position of the statement in the command
   */
  run(statement: number, perform: Perform): Document | Promise<Document>;
  /** Appends the writes to the log. */
  finish(): void;
}

/** The runner for a request, in its transaction if it has one. */
export function createStatementRunner(request: Request): StatementRunner {
  if (!request.transaction) return new DirectStatementRunner(request);
  const writer = new TransactionWriter(request.transaction);
  return { run: (_statement, perform) => perform(writer), finish: () => {} };
}

/**
 * Runs statements outside transactions. The writes of all statements form one frame of the log, unless a statement has to
 * wait for the lock of a transaction: then the writes before it are appended first.
 */
class DirectStatementRunner implements StatementRunner {
  readonly #request: Request;
  readonly #writer: DirectWriter;
  /** The results of statements since the last frame, for retries. */
  #results: (readonly [number, Document])[] = [];

  constructor(request: Request) {
    this.#request = request;
    this.#writer = new DirectWriter(request.state.engine);
  }

  run(statement: number, perform: Perform): Document | Promise<Document> {
    const { isRetryable, session } = this.#request;
    const earlier = isRetryable ? session?.statements.get(statement) : undefined;
    if (earlier) return earlier;
    try {
      const result = perform(this.#writer);
      if (isRetryable) this.#results.push([statement, result]);
      return result;
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
      this.finish();
      return this.#runAfter(error, statement, perform);
    }
  }

  finish(): void {
    if (this.#results.length > 0) this.#writer.commit(this.#request.session, this.#results);
    else this.#writer.commit();
    this.#results = [];
  }

  async #runAfter(lock: LockedError, statement: number, perform: Perform): Promise<Document> {
    await waitForLock(lock, this.#request.deadline);
    return this.run(statement, perform);
  }
}
