import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The project's own directory, with a `/` at its end. */
export const projectDirectory = fileURLToPath(new URL('../../', import.meta.url));

/** How node runs the sources as they are. */
export const nodeArguments = ['--import', 'tsx', '--conditions=source'] as const;

/** How a script ended. */
export interface Ended {
  /** Exit code. */
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a script of the project to its end, in the project's directory. */
export function runScript(
  path: string,
  args: readonly string[] = [],
  env: Record<string, string | undefined> = {},
): Promise<Ended> {
  const options = { cwd: projectDirectory, env: { ...process.env, ...env } };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [...nodeArguments, path, ...args], options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(error);
      else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}
