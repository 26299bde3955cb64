import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { satisfies } from 'semver';
import { readArguments } from './arguments.js';

const USAGE = `Fails when a production dependency has a known vulnerability.

  npm run --silent audit

The advisories come from the package registry. Where it serves none, those of scripts/advisories.json count.
`;

/** A known vulnerability of a package. */
interface Advisory {
  readonly package: string;
  /** Affected versions, as a semver range. */
  readonly vulnerable: string;
  readonly id: string;
  readonly summary: string;
}

/** The used part of a package-lock.json. */
interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly dev?: boolean }>>;
}

const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));

/** Queries the registry. Returns one line per finding; `undefined` if it does not answer with a report. */
function askRegistry(): Promise<string[] | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 };
    execFile('npm', ['audit', '--json', '--omit=dev'], options, (_error, stdout) => resolve(toFindings(stdout)));
  });
}

/** Parses the output of `npm audit --json`. On failure npm prints JSON without vulnerabilities. */
function toFindings(output: string): string[] | undefined {
  try {
    const report = JSON.parse(output) as { vulnerabilities?: Record<string, { severity: string; range: string }> };
    if (report.vulnerabilities === undefined) return undefined;
    return Object.entries(report.vulnerabilities).map(([name, { severity, range }]) => `${name} ${range}: ${severity}`);
  } catch {
    return undefined;
  }
}

/** Compares the locked production dependencies with this repository's advisories. */
function compare({ packages }: Lock, advisories: readonly Advisory[]): string[] {
  return Object.entries(packages).flatMap(([path, { version, dev }]) => {
    const name = path.replace(/^.*node_modules\//, '');
    if (version === undefined || dev === true) return [];
    return advisories
      .filter((advisory) => advisory.package === name && satisfies(version, advisory.vulnerable))
      .map(({ id, summary }) => `${name} ${version}: ${id}, ${summary}`);
  });
}

const [lockPath] = readArguments(USAGE, { allowPositionals: true }).positionals;
const lock = (await readJson(lockPath ?? 'package-lock.json')) as Lock;
const advisories = (await readJson('scripts/advisories.json')) as Advisory[];
// A given lock file is compared with the local advisories only; the registry is queried for the one in this
// directory.
const fromRegistry = lockPath === undefined ? await askRegistry() : [];
const findings = [...(fromRegistry ?? []), ...compare(lock, advisories)];
for (const finding of findings) process.stderr.write(`vulnerable: ${finding}\n`);
const source =
  fromRegistry === undefined ? 'scripts/advisories.json (the registry serves no advisories)' : 'the registry';
process.stdout.write(`${findings.length} known vulnerabilities, according to ${source}\n`);
process.exitCode = findings.length === 0 ? 0 : 1;
