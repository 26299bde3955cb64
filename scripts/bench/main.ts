import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** Every suite is a file in this folder that exports `run()`. The first is the default. */
const SUITES = ['gateway', 'embedded', 'conversation', 'delivery', 'chat'] as const;

/** Command-line options of every suite. */
export interface BenchOptions {
  /** Number of rounds of each measurement. */
  rounds: number;
  /** Runs only the scenarios whose name contains this. */
  only: string;
}

const available = SUITES.filter((name) => existsSync(new URL(`./${name}.ts`, import.meta.url)));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    only: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
const names = positionals.length > 0 ? positionals : [SUITES[0]];
const unknown = names.filter((name) => !available.some((known) => known === name));
const rounds = Number(values.rounds);

if (values.help || unknown.length > 0 || !(rounds >= 1)) {
  if (unknown.length > 0) process.stderr.write(`No such suite: ${unknown.join(', ')}.\n`);
  process.stderr.write('npm run bench -- [suite…] [--rounds 7] [--only <part of a name>]\n');
  process.stderr.write(`Suites: ${available.join(', ')}.\n`);
  process.exit(values.help ? 0 : 2);
}
for (const name of names) {
  const { run } = (await import(`./${name}.js`)) as { run(options: BenchOptions): Promise<void> };
  await run({ rounds, only: values.only });
}
