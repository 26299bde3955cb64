import type { Document } from '../../bson/values.js';
import type { Session } from '../../engine/sessions.js';
import type { Transaction } from '../../engine/transaction.js';
import type { Connection } from '../../wire/connection.js';
import type { ServerState } from '../state/server-state.js';
import type { Deadline } from './deadline.js';

/** A command in execution. */
export interface Request {
  readonly name: string;
  readonly command: Document;
  readonly database: string;
  readonly state: ServerState;
  readonly connection: Connection;
  readonly session: Session | undefined;
  readonly transaction: Transaction | undefined;
  /** Whether the command is a retryable write, whose results are stored in the session. */
  readonly isRetryable: boolean;
  readonly deadline: Deadline;
}

/** The definition of a command. */
export interface Command {
  /** The fields it supports besides its name and the common fields of all commands. */
  readonly fields: ReadonlySet<string>;
  /** Whether it is allowed in a transaction. */
  readonly isTransactional?: boolean;
  /** Whether it is a command of the database `admin` only. */
  readonly isAdminOnly?: boolean;
  readonly run: (request: Request) => Document | Promise<Document>;
}

/** For commands that support only the common fields. */
export const NO_FIELDS: ReadonlySet<string> = new Set();
