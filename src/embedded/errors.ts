/** The error codes of mongod that this database uses, by name. */
export const ERROR_CODES = {
  InternalError: 1,
  BadValue: 2,
  HostUnreachable: 6,
  HostNotFound: 7,
  NoSuchKey: 4,
  UnknownError: 8,
  FailedToParse: 9,
  Unauthorized: 13,
  TypeMismatch: 14,
  Overflow: 15,
  InvalidLength: 16,
  AuthenticationFailed: 18,
  IllegalOperation: 20,
  InvalidBSON: 22,
  LockTimeout: 24,
  NamespaceNotFound: 26,
  IndexNotFound: 27,
  PathNotViable: 28,
  CannotBackfillArray: 34,
  ConflictingUpdateOperators: 40,
  CursorNotFound: 43,
  NoMatchingDocument: 47,
  NamespaceExists: 48,
  MaxTimeMSExpired: 50,
  DollarPrefixedFieldName: 52,
  InvalidIdField: 53,
  NotSingleValueField: 54,
  NotExactValueField: 111,
  InvalidDBRef: 55,
  EmptyFieldName: 56,
  DottedFieldName: 57,
  CommandNotFound: 59,
  ImmutableField: 66,
  CannotCreateIndex: 67,
  IndexAlreadyExists: 68,
  InvalidOptions: 72,
  InvalidNamespace: 73,
  IndexOptionsConflict: 85,
  IndexKeySpecsConflict: 86,
  ShutdownInProgress: 91,
  FileStreamFailed: 39,
  UnknownReplWriteConcern: 79,
  NetworkTimeout: 89,
  UnsatisfiableWriteConcern: 100,
  WriteConflict: 112,
  ConflictingOperationInProgress: 117,
  CommandNotSupported: 115,
  DocumentValidationFailure: 121,
  CappedPositionLost: 136,
  ReadConcernMajorityNotAvailableYet: 134,
  ExceededMemoryLimit: 146,
  InvalidPipelineOperator: 168,
  CannotIndexParallelArrays: 171,
  AmbiguousIndexKeyPattern: 181,
  InvalidIndexSpecificationOption: 197,
  IncompleteTransactionHistory: 217,
  QueryFeatureNotAllowed: 224,
  PrimarySteppedDown: 189,
  TransactionTooOld: 225,
  CursorKilled: 237,
  SnapshotTooOld: 239,
  ConversionFailure: 241,
  SnapshotUnavailable: 246,
  NoSuchTransaction: 251,
  TransactionCommitted: 256,
  TransactionTooLarge: 257,
  OperationNotSupportedInTransaction: 263,
  ExceededTimeLimit: 262,
  PreparedTransactionInProgress: 267,
  ChangeStreamHistoryLost: 286,
  QueryExceededMemoryLimitNoDiskUseAllowed: 292,
  APIVersionError: 322,
  APIStrictError: 323,
  BSONObjectTooLarge: 10334,
  SocketException: 9001,
  NotWritablePrimary: 10107,
  DuplicateKey: 11000,
  InterruptedAtShutdown: 11600,
  Interrupted: 11601,
  InterruptedDueToReplStateChange: 11602,
  MergeStageNoMatchingDocument: 13113,
  DatabaseDifferCase: 13297,
  NotPrimaryNoSecondaryOk: 13435,
  NotPrimaryOrSecondary: 13436,
  OutOfDiskSpace: 14031,
} as const;

/** The name of an error code. Like in mongod, a code without a name is `Location<number>`. */
export type CodeName = keyof typeof ERROR_CODES | `Location${number}`;

/** The name of an error code. */
export function codeNameOf(code: number): CodeName {
  for (const [name, known] of Object.entries(ERROR_CODES)) if (known === code) return name as CodeName;
  return `Location${code}`;
}

const toCode = (codeName: CodeName): number =>
  codeName in ERROR_CODES
    ? ERROR_CODES[codeName as keyof typeof ERROR_CODES]
    : Number.parseInt(codeName.slice('Location'.length), 10);

/** Fields that an error adds to its reply: `keyPattern`, `keyValue`. */
export type ErrorFields = Readonly<Record<string, unknown>>;

/** An error that is returned to the client. `extra` is merged into the reply. */
export class DatabaseError extends Error {
  readonly code: number;
  readonly codeName: string;
  readonly extra: ErrorFields | undefined;
  /** Labels that tell drivers how to react: `TransientTransactionError`, `RetryableWriteError`, … */
  errorLabels: string[] = [];

  constructor(codeName: CodeName, message: string, extra?: ErrorFields) {
    super(message);
    this.name = 'DatabaseError';
    this.code = toCode(codeName);
    this.codeName = codeName;
    this.extra = extra;
  }
}

/** Throws a {@link DatabaseError}. */
export function fail(codeName: CodeName, message: string, extra?: ErrorFields): never {
  throw new DatabaseError(codeName, message, extra);
}

/** @throws DatabaseError Location40415 naming a field that is not known */
export function ensureKnownFields(given: object, known: ReadonlySet<string>, where: string): void {
  for (const field of Object.keys(given)) {
    if (!known.has(field)) fail('Location40415', `BSON field '${where}.${field}' is an unknown field.`);
  }
}

/** Converts any thrown value. An error of another class is a fault of this server: InternalError (1). */
export function toDatabaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  if (error instanceof RangeError && /call stack/i.test(error.message)) {
    return new DatabaseError('Overflow', 'The document or expression is nested too deeply');
  }
  return new DatabaseError('InternalError', error instanceof Error ? error.message : String(error));
}
