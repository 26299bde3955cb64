/**
 * Exit codes of the process. 1 is any other failure, and a stop that was not graceful. `CONFIGURATION` is `EX_CONFIG` of
 * `sysexits.h`; Node.js itself uses codes up to 13.
 */
export const exitCodes = {
  STOPPED: 0,
  FAILED: 1,
  NODE_VERSION: 20,
  DATA_DIRECTORY: 21,
  DATA_DIRECTORY_IN_USE: 22,
  ADDRESS: 23,
  MONGODB: 24,
  REDIS: 25,
  WORKERS: 26,
  CONFIGURATION: 78,
} as const;

/** Why a start failed. */
export type StartFailure = Exclude<keyof typeof exitCodes, 'STOPPED' | 'FAILED'>;

/** The gateway cannot start. The message is one sentence, or a list, with what to do, and has no secret. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
  readonly exitCode: number;

  constructor(failure: StartFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCodes[failure];
  }

  /** An error that another process of this gateway ended with. @param exitCode of that process */
  static ofProcess(exitCode: number | undefined, message: string): StartError {
    const known = Object.entries(exitCodes).find(
      ([name, code]) => code === exitCode && name !== 'STOPPED' && name !== 'FAILED',
    );
    return new StartError((known?.[0] ?? 'WORKERS') as StartFailure, message);
  }

  /** An error as the given failure, with its message. */
  static of(failure: StartFailure, error: unknown): StartError {
    if (error instanceof StartError) return error;
    return new StartError(failure, error instanceof Error ? error.message : String(error), { cause: error });
  }
}
