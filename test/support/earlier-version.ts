import { execFile } from 'node:child_process';
import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectDirectory } from './script.js';
import { temporaryDirectory } from './temporary-directory.js';

const run = promisify(execFile);

/**
 * The sources of an earlier version, ready to run, in a temporary directory. They come from the history of this clone.
 * @param commit full hash
 * @throws Error with the remedy when the commit is not in the clone
 */
export async function checkOutEarlierVersion(commit: string): Promise<string> {
  await run('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: projectDirectory }).catch((cause: unknown) => {
    const remedy = 'Run the test in a clone with its whole history (git fetch --unshallow).';
    throw new Error(`The commit ${commit} of the earlier version is not in this clone. ${remedy}`, { cause });
  });
  const directory = await temporaryDirectory();
  const archive = join(directory, 'sources.tar');
  await run('git', ['archive', '--output', archive, commit], { cwd: projectDirectory });
  await run('tar', ['-xf', archive, '-C', directory]);
  const locks = [projectDirectory, directory].map((root) => readFile(join(root, 'package-lock.json'), 'utf8'));
  const [own, earlier] = await Promise.all(locks);
  if (own === earlier) await symlink(join(projectDirectory, 'node_modules'), join(directory, 'node_modules'));
  else await run('npm', ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit'], { cwd: directory });
  return directory;
}
