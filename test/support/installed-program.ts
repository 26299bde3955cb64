import { execFile } from 'node:child_process';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** A program of the machine that tests need. */
interface Wanted {
  readonly command: string;
  /** Other names of the same program, in the order in which they are tried. */
  readonly alternatives?: readonly string[];
  /** By which it prints its version and ends with 0. */
  readonly versionFlag: string;
  /** One package or several, separated by spaces. */
  readonly debianPackage: string;
  readonly homebrewPackage: string;
}

/** Programs that the tests start. */
export const programs = {
  redis: { command: 'redis-server', versionFlag: '--version', debianPackage: 'redis-server', homebrewPackage: 'redis' },
  haproxy: { command: 'haproxy', versionFlag: '-v', debianPackage: 'haproxy', homebrewPackage: 'haproxy' },
  nginx: { command: 'nginx', versionFlag: '-v', debianPackage: 'nginx-light', homebrewPackage: 'nginx' },
  chromium: {
    command: 'chromium',
    alternatives: ['chromium-browser', 'google-chrome'],
    versionFlag: '--version',
    // Recommended packages are not installed, but without a font a page has no text.
    debianPackage: 'chromium chromium-sandbox fonts-liberation',
    homebrewPackage: 'chromium',
  },
} as const satisfies Record<string, Wanted>;

/**
 * Finds a program on the PATH or installs it with the machine's package manager.
 * @returns the command that runs it
 * @throws Error when neither works; the message says what to install.
 */
export async function ensureInstalled(wanted: Wanted): Promise<string> {
  const { command, debianPackage, homebrewPackage } = wanted;
  const found = await findInstalled(wanted);
  if (found !== undefined) return found;
  const installers: [string, string[]][] = [
    ['flock', [lockFile(), 'sh', '-c', aptInstall('', debianPackage)]],
    ['flock', [lockFile(), 'sh', '-c', aptInstall('sudo -n ', debianPackage)]],
    ['brew', ['install', homebrewPackage]],
  ];
  for (const [program, args] of installers) {
    say(`${command} is not installed; trying: ${program} ${args.join(' ')}`);
    await run(program, args).catch(() => undefined);
    const installed = await findInstalled(wanted);
    if (installed === undefined) continue;
    say(`${command} is installed.`);
    return installed;
  }
  throw new Error(
    `The tests need ${command}. Install it (Debian: apt-get install ${debianPackage}) and run them again.`,
  );
}

async function findInstalled({ command, alternatives = [], versionFlag }: Wanted): Promise<string | undefined> {
  for (const name of [command, ...alternatives]) {
    const isInstalled = await run(name, [versionFlag]).then(
      () => true,
      () => false,
    );
    if (isInstalled) return name;
  }
  return undefined;
}

/** Held while packages are installed: test files run at the same time, and apt refuses a second call. */
const lockFile = (): string => join(tmpdir(), `general-socket-install-${userInfo().username}.lock`);

/** In this runlevel Debian installs a server without starting it. */
const aptInstall = (prefix: string, packages: string): string =>
  `${prefix}apt-get update -qq && ` +
  `${prefix}env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends ${packages}`;
