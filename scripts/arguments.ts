import { type ParseArgsConfig, parseArgs } from 'node:util';

/**
 * Reads the arguments of a command. With `--help` the process prints the usage and ends. With arguments that the command
 * does not take, it ends with 2.
 */
export function readArguments<T extends ParseArgsConfig>(usage: string, config: T): ReturnType<typeof parseArgs<T>> {
  const { args = process.argv.slice(2) } = config;
  if (args.includes('--help')) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    return refuseArguments(usage, (error as Error).message);
  }
}

/** Ends the process, because its arguments are wrong: says what is wrong, and how the command is used. */
export function refuseArguments(usage: string, problem: string): never {
  process.stderr.write(`${problem}\n\n${usage}`);
  process.exit(2);
}
