import { afterAll, beforeAll, test } from 'vitest';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import { listKinds, playListHistory } from './list-history.js';

let environment: TestEnvironment;
beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment.close());

const names = Object.keys(listKinds) as (keyof typeof listKinds)[];

const seeds = Array.from({ length: 10 }, (_, index) => index + 2);

test.each(names.flatMap((name) => seeds.map((seed) => ({ name, seed }))))(
  'a live list of $name conversations equals the list of the server (seed $seed)',
  ({ name, seed }) => playListHistory(environment, name, { seed, steps: 80 }),
);
