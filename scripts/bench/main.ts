import { resolve } from 'node:path';
import { readArguments, refuseArguments } from '../arguments.js';
import { contestantNames } from './contestants.js';
import { scenarioNames } from './gateway.js';
import type { BenchOptions } from './options.js';

/** Suites of their own, each with its file in this folder that exports `run()`. Every other name is a scenario of the comparison. */
const SUITES: Readonly<Record<string, string>> = {
  embedded: 'embedded',
  conversation: 'conversation',
  delivery: 'delivery',
  chat: 'chat',
  traffic: 'traffic',
  workers: 'all-cores',
  console: 'console',
  nodes: 'nodes',
  storm: 'storm',
  flat: 'flat',
};

const USAGE = `npm run bench -- [scenario or suite…] [--rounds 7] [--nodes 1,2, or 2,4,8 of the suite nodes] [--against <directory of another build>] [--connections 10000] [--contestants gateway,Socket.IO]
Scenarios: ${scenarioNames.join(', ')}.
Suites: ${Object.keys(SUITES).join(', ')}.
Contestants: ${contestantNames.join(', ')}.
`;

const { values, positionals } = readArguments(USAGE, {
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '7' },
    nodes: { type: 'string' },
    against: { type: 'string' },
    connections: { type: 'string', default: '10000' },
    contestants: { type: 'string' },
  },
});
const isSuite = (name: string): boolean => Object.hasOwn(SUITES, name);
const suites = positionals.filter(isSuite);
const only = positionals.filter((name) => !isSuite(name));
const contestants = values.contestants?.split(',') ?? [];
const unknown = [
  ...only.filter((name) => !scenarioNames.includes(name)),
  ...contestants.filter((name) => !contestantNames.some((one) => one === name)),
];
const options: BenchOptions = {
  rounds: Number(values.rounds),
  only,
  nodes: values.nodes?.split(',').map(Number),
  against: values.against === undefined ? undefined : resolve(values.against),
  connections: Number(values.connections),
  contestants,
};

if (unknown.length > 0) refuseArguments(USAGE, `No such scenario or contestant: ${unknown.join(', ')}`);
if (!(options.rounds >= 1)) refuseArguments(USAGE, `--rounds must be a number from 1: ${values.rounds}`);
for (const name of suites) {
  const { run } = (await import(`./${SUITES[name]}.js`)) as { run(options: BenchOptions): Promise<void> };
  await run(options);
}
if (suites.length === 0 || only.length > 0) {
  const { run } = await import('./gateway.js');
  await run(options);
}
