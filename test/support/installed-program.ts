import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** A program of the machine that tests need. */
interface Wanted {
  readonly command: string;
  /** By which it prints its version and ends with 0. */
  readonly versionFlag: string;
  readonly debianPackage: string;
  readonly homebrewPackage: string;
}

/** Programs that the tests start. */
export const programs = {
  redis: {
    ...{ command: 'redis-server', versionFlag: '--version', debianPackage: 'redis-server', homebrewPackage: 'redis' },
  },
  haproxy: { command: 'haproxy', versionFlag: '-v', debianPackage: 'haproxy', homebrewPackage: 'haproxy' },
  nginx: { command: 'nginx', versionFlag: '-v', debianPackage: 'nginx-light', homebrewPackage: 'nginx' },
} as const satisfies Record<string, Wanted>;

/**
 * Finds a program on the PATH or installs it with the machine's package manager.
 * @throws Error when neither works; the message says what to install.
 */
export async function ensureInstalled({ command, versionFlag, debianPackage, homebrewPackage }: Wanted): Promise<void> {
  const isInstalled = (): Promise<boolean> =>
    run(command, [versionFlag]).then(
      () => true,
      () => false,
    );
  if (await isInstalled()) return;
  // In this runlevel Debian installs a server without starting it.
  const install = `DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq ${debianPackage}`;
  const installers: [string, string[]][] = [
    ['sh', ['-c', `apt-get update -qq && ${install}`]],
    ['sh', ['-c', `sudo -n apt-get update -qq && sudo -n env ${install}`]],
    ['brew', ['install', homebrewPackage]],
  ];
  for (const [program, args] of installers) {
    say(`${command} is not installed; trying: ${program} ${args.join(' ')}`);
    await run(program, args).catch(() => undefined);
    if (await isInstalled()) return say(`${command} is installed.`);
  }
  throw new Error(
    `The tests need ${command}. Install it (Debian: apt-get install ${debianPackage}) and run them again.`,
  );
}
