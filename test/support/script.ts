import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's own directory, with a `/` at its end. */
export const projectDirectory = fileURLToPath(new URL('../../', import.meta.url));

/** How node runs the sources as they are. {@link compiled} starts faster. */
const nodeArguments = ['--import', 'tsx', '--conditions=source'] as const;

/** The file that the global setup has compiled from a source. @param path from the root of the project */
export function compiled(path: string): string {
  const directory = process.env['TEST_COMPILED_SOURCES'];
  if (directory === undefined) throw new Error('TEST_COMPILED_SOURCES is not set: the global setup has not run');
  return join(directory, path.replace(/\.tsx?$/, '.js'));
}

/** Imports a module as it is compiled: processes that it forks start from compiled sources, too. */
export const importCompiled = <Module>(path: string): Promise<Module> => import(compiled(path)) as Promise<Module>;

/** How a script ended. */
export interface Ended {
  /** Exit code. */
  code: number;
  stdout: string;
  stderr: string;
}

type Environment = Record<string, string | undefined>;

/** Runs a script of the project to its end, in the project's directory. */
export const runScript = (path: string, args: readonly string[] = [], env: Environment = {}): Promise<Ended> =>
  run([compiled(path), ...args], env);

/** Runs a script that looks for files of the project beside its own. */
export const runSource = (path: string, args: readonly string[] = [], env: Environment = {}): Promise<Ended> =>
  run([...nodeArguments, path, ...args], env);

function run(args: readonly string[], env: Environment): Promise<Ended> {
  const options = { cwd: projectDirectory, env: { ...process.env, ...env } };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(error);
      else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}
