import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { satisfies } from 'semver';

const USAGE = `Fails when a production dependency has a known vulnerability.

  npm run --silent audit

The advisories come from the package registry. Where it serves none, those of scripts/advisories.json count.
`;

/** A known vulnerability of a package. */
interface Advisory {
  readonly package: string;
  /** The affected versions, as a semver range. */
  readonly vulnerable: string;
  readonly id: string;
  readonly summary: string;
}

/** What is read of a package-lock.json. */
interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly dev?: boolean }>>;
}

const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));

/** The findings of the registry, one line each; `undefined` when it does not answer with a report. */
function askRegistry(): Promise<string[] | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 };
    execFile('npm', ['audit', '--json', '--omit=dev'], options, (_error, stdout) => resolve(toFindings(stdout)));
  });
}

/** Reads the output of `npm audit --json`. npm prints JSON for a failure too, but without vulnerabilities. */
function toFindings(output: string): string[] | undefined {
  try {
    const report = JSON.parse(output) as { vulnerabilities?: Record<string, { severity: string; range: string }> };
    if (report.vulnerabilities === undefined) return undefined;
    return Object.entries(report.vulnerabilities).map(([name, { severity, range }]) => `${name} ${range}: ${severity}`);
  } catch {
    return undefined;
  }
}

/** Holds the locked production dependencies against the list of this repository. */
function compare({ packages }: Lock, advisories: readonly Advisory[]): string[] {
  return Object.entries(packages).flatMap(([path, { version, dev }]) => {
    const name = path.replace(/^.*node_modules\//, '');
    if (version === undefined || dev === true) return [];
    return advisories
      .filter((advisory) => advisory.package === name && satisfies(version, advisory.vulnerable))
      .map(({ id, summary }) => `${name} ${version}: ${id}, ${summary}`);
  });
}

const [lockPath] = process.argv.slice(2);
if (lockPath?.startsWith('--') === true) {
  process.stderr.write(USAGE);
  process.exitCode = lockPath === '--help' ? 0 : 2;
} else {
  const lock = (await readJson(lockPath ?? 'package-lock.json')) as Lock;
  const advisories = (await readJson('scripts/advisories.json')) as Advisory[];
  // A lock file that is named is held against the list alone: the registry is asked about the one of this directory.
  const fromRegistry = lockPath === undefined ? await askRegistry() : [];
  const findings = [...(fromRegistry ?? []), ...compare(lock, advisories)];
  for (const finding of findings) process.stderr.write(`vulnerable: ${finding}\n`);
  const source =
    fromRegistry === undefined ? 'scripts/advisories.json (the registry serves no advisories)' : 'the registry';
  process.stdout.write(`${findings.length} known vulnerabilities, according to ${source}\n`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}
