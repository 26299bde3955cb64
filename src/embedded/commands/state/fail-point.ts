import { toNumber } from '../../bson/numbers.js';
import { type Document, isDocument, isNumeric } from '../../bson/values.js';
import { codeNameOf, DatabaseError, fail } from '../../errors.js';

/** The effect of an active fail point on a command. */
export interface Failure {
  readonly closesConnection: boolean;
  /** The command runs, then the connection is closed instead of a reply. */
  readonly closesAfterwards: boolean;
  readonly blockMs: number;
  /** The error that is returned instead of running the command. */
  readonly error: DatabaseError | undefined;
  /** The command runs, and this error is added to its reply. */
  readonly writeConcernError: Document | undefined;
  /** The labels of the error, instead of the usual ones for its code. */
  readonly labels: readonly string[] | undefined;
}

/** The properties of a command that fail points depend on. */
interface FailureQuery {
  readonly name: string;
  readonly appName: string | undefined;
  /** Whether the command is the first attempt of a retryable write. */
  readonly isNewRetryableWrite: () => boolean;
}

/** The fail points of mongod, with which tests and the drivers' specifications make a server fail. */
export interface FailPoint {
  configure(command: Document): void;
  failureOf(query: FailureQuery): Failure | undefined;
}

const KNOWN_DATA: Readonly<Record<string, ReadonlySet<string>>> = {
  failCommand: new Set([
    'failCommands',
    'closeConnection',
    'errorCode',
    'errorLabels',
    'writeConcernError',
    'blockConnection',
    'blockTimeMS',
    'appName',
  ]),
  onPrimaryTransactionalWrite: new Set(['closeConnection', 'failBeforeCommitExceptionCode']),
};

interface Armed {
  readonly name: string;
  readonly data: Document;
  remaining: number;
  toSkip: number;
}

/** A fail point that is not active. */
export function createFailPoint(): FailPoint {
  let armed: Armed | undefined;
  return {
    configure: (command) => {
      armed = toArmed(command);
    },
    failureOf: (query) => {
      if (!armed || armed.remaining <= 0 || !isMeant(armed, query)) return undefined;
      if (armed.toSkip > 0) {
        armed.toSkip -= 1;
        return undefined;
      }
      armed.remaining -= 1;
      return armed.name === 'failCommand' ? toFailure(armed.data) : toWriteFailure(armed.data);
    },
  };
}

function toArmed(command: Document): Armed {
  const name = String(command['configureFailPoint']);
  const known = KNOWN_DATA[name];
  if (!known) return fail('CommandNotSupported', `the fail point ${name} is not supported by this database`);
  const { mode } = command;
  const data = isDocument(command['data']) ? command['data'] : {};
  for (const option of Object.keys(data)) {
    if (!known.has(option)) fail('CommandNotSupported', `${name}'s ${option} is not supported by this database`);
  }
  const counts = isDocument(mode) ? mode : {};
  const times = isNumeric(counts['times']) ? toNumber(counts['times']) : Number.POSITIVE_INFINITY;
  return {
    name,
    data,
    remaining: isDocument(mode) ? times : mode === 'alwaysOn' ? Number.POSITIVE_INFINITY : 0,
    toSkip: isNumeric(counts['skip']) ? toNumber(counts['skip']) : 0,
  };
}

function isMeant({ name, data }: Armed, query: FailureQuery): boolean {
  if (name !== 'failCommand') return query.isNewRetryableWrite();
  const { failCommands, appName } = data;
  if (!Array.isArray(failCommands) || !failCommands.includes(query.name)) return false;
  return typeof appName !== 'string' || appName === query.appName;
}

const toFailure = (data: Document): Failure => ({
  closesConnection: data['closeConnection'] === true,
  closesAfterwards: false,
  blockMs: data['blockConnection'] === true && isNumeric(data['blockTimeMS']) ? toNumber(data['blockTimeMS']) : 0,
  error: isNumeric(data['errorCode']) ? toError(toNumber(data['errorCode'])) : undefined,
  writeConcernError: isDocument(data['writeConcernError']) ? data['writeConcernError'] : undefined,
  labels: Array.isArray(data['errorLabels']) ? data['errorLabels'].map(String) : undefined,
});

/** The failure of a retryable write before it runs, or of its connection afterwards. */
function toWriteFailure(data: Document): Failure {
  const code = data['failBeforeCommitExceptionCode'];
  const isClosing = data['closeConnection'] !== false;
  return {
    closesConnection: isClosing && isNumeric(code),
    closesAfterwards: isClosing && !isNumeric(code),
    blockMs: 0,
    error: isNumeric(code) ? toError(toNumber(code)) : undefined,
    writeConcernError: undefined,
    labels: undefined,
  };
}

const toError = (code: number): DatabaseError =>
  new DatabaseError(codeNameOf(code), "Failing command via 'failCommand' failpoint");
