import { toNumber } from '../bson/numbers.js';
import { type Document, isDocument, isNumeric } from '../bson/values.js';
import { DatabaseError, fail } from '../errors.js';

/** What an armed fail point does to a command. */
export interface Failure {
  readonly closesConnection: boolean;
  readonly blockMs: number;
  /** The error to answer instead of running the command. */
  readonly error: DatabaseError | undefined;
  /** The command runs, and this is added to its reply. */
  readonly writeConcernError: Document | undefined;
}

/** mongod's `failCommand`, by which the drivers' specifications (and our own tests) make a server misbehave. */
export interface FailPoint {
  configure(command: Document): void;
  failureOf(commandName: string, appName: string | undefined): Failure | undefined;
}

const KNOWN_DATA: ReadonlySet<string> = new Set([
  'failCommands',
  'closeConnection',
  'errorCode',
  'errorLabels',
  'writeConcernError',
  'blockConnection',
  'blockTimeMS',
  'appName',
]);

export const createFailPoint = (): FailPoint => {
  let data: Document | undefined;
  let remaining = 0;
  let toSkip = 0;
  return {
    configure: (command) => {
      if (command['configureFailPoint'] !== 'failCommand') {
        fail(
          'CommandNotSupported',
          `the fail point ${String(command['configureFailPoint'])} is not supported by this database`,
        );
      }
      const mode = command['mode'];
      data = isDocument(command['data']) ? command['data'] : {};
      for (const option of Object.keys(data)) {
        if (!KNOWN_DATA.has(option))
          fail('CommandNotSupported', `failCommand's ${option} is not supported by this database`);
      }
      toSkip = isDocument(mode) && isNumeric(mode['skip']) ? toNumber(mode['skip']) : 0;
      if (isDocument(mode)) remaining = isNumeric(mode['times']) ? toNumber(mode['times']) : Number.POSITIVE_INFINITY;
      else remaining = mode === 'alwaysOn' ? Number.POSITIVE_INFINITY : 0;
    },
    failureOf: (name, appName) => {
      if (remaining <= 0 || !data) return undefined;
      if (!(data['failCommands'] as string[] | undefined)?.includes(name)) return undefined;
      if (typeof data['appName'] === 'string' && data['appName'] !== appName) return undefined;
      if (toSkip > 0) {
        toSkip -= 1;
        return undefined;
      }
      remaining -= 1;
      return toFailure(data);
    },
  };
};

/** Errors after which a driver may send a write again. */
const RETRYABLE_CODES: ReadonlySet<number> = new Set([
  6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436,
]);

const toFailure = (data: Document): Failure => ({
  closesConnection: data['closeConnection'] === true,
  blockMs: data['blockConnection'] === true && isNumeric(data['blockTimeMS']) ? toNumber(data['blockTimeMS']) : 0,
  error: isNumeric(data['errorCode']) ? toError(toNumber(data['errorCode']), data) : undefined,
  writeConcernError: isDocument(data['writeConcernError']) ? toWriteConcernError(data['writeConcernError']) : undefined,
});

const toError = (code: number, { errorLabels }: Document): DatabaseError => {
  const error = new DatabaseError(`Location${code}`, "Failing command via 'failCommand' failpoint");
  if (Array.isArray(errorLabels)) error.errorLabels = errorLabels.map(String);
  else if (RETRYABLE_CODES.has(code)) error.errorLabels = ['RetryableWriteError'];
  return error;
};

const toWriteConcernError = (given: Document): Document => ({ errmsg: 'failCommand', ...given });
