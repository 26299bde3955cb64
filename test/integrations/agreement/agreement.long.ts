import { afterAll, beforeAll, test } from 'vitest';
import type { TestEnvironment } from '../../support/environment.js';
import { expectAgreement } from './history.js';
import { createAgreementEnvironment } from './scene.js';

const ACTS = 400;

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createAgreementEnvironment();
});
afterAll(() => environment.close());

const seeds = Array.from({ length: 2 }, () => Math.floor(Math.random() * 2 ** 31));

// Some delays are longer than the time after which what was sent is compared.
const databases = [
  { name: 'often a little slow', delays: { chance: 0.1, longestMs: 200 } },
  { name: 'at times very slow', delays: { chance: 0.02, longestMs: 3000 } },
];

test.each(databases.flatMap((database) => seeds.map((seed) => ({ ...database, seed }))))(
  'after any history every client shows what is stored, with a database that is $name (seed $seed)',
  ({ delays, seed }) => expectAgreement(environment, { seed, acts: ACTS, delays }),
);
