import { ignoreOutputErrors } from './platform/logging/output-errors.js';
import { nodeVersionProblem } from './platform/node-version.js';
import { exitCodes, StartError } from './platform/start-error.js';

/** Ends the process with a sentence, and no stack: the message of a {@link StartError} says what to do. */
function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof StartError ? error.exitCode : exitCodes.FAILED);
}

ignoreOutputErrors();

// While the gateway loads there is nothing to close. Without a listener process 1 of a container would ignore these signals.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(exitCodes.STOPPED));

const problem = nodeVersionProblem(process.versions.node);
if (problem !== undefined) fail(new StartError('NODE_VERSION', problem));

// Loaded after the check: an older Node.js fails while it loads the gateway, with an error that says nothing about versions.
import('./run.js').then(({ run }) => run()).catch(fail);
