import { afterAll, beforeAll, test } from 'vitest';
import type { TestEnvironment } from '../../support/environment.js';
import { createTwoClocks } from '../chat/shared/two-clocks.js';
import { expectAgreement } from './history.js';

/** How far the clock of the second node is behind. */
const BEHIND_MS = 180_000;

const ACTS = 400;

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTwoClocks(BEHIND_MS);
});
afterAll(() => environment.close());

const seeds = Array.from({ length: 2 }, () => Math.floor(Math.random() * 2 ** 31));

// Some delays are longer than the time after which what was sent is compared.
const databases = [
  { name: 'often a little slow', faults: { chance: 0.1, longestMs: 200 } },
  { name: 'at times very slow', faults: { chance: 0.02, longestMs: 3000 } },
  { name: 'losing replies', faults: { chance: 0.05, longestMs: 100, lostChance: 0.02 } },
];

test.each(databases.flatMap((database) => seeds.map((seed) => ({ ...database, seed }))))(
  'after any history every client shows what is stored, with a database that is $name (seed $seed)',
  ({ faults, seed }) => expectAgreement(environment, { seed, acts: ACTS, faults }),
);

test.each(seeds.map((seed) => ({ seed })))(
  'after a history in which a node dies every client shows what is stored (seed $seed)',
  ({ seed }) =>
    expectAgreement(environment, { seed, acts: ACTS / 2, faults: { chance: 0.1, longestMs: 200 }, hasDeath: true }),
);
