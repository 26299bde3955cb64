import { afterAll, beforeAll, test } from 'vitest';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import { listKinds, playListHistory } from './list-history.js';

let environment: TestEnvironment;
beforeAll(async () => {
  environment = await createTestEnvironment({ nodes: 2 });
});
afterAll(() => environment.close());

const names = Object.keys(listKinds) as (keyof typeof listKinds)[];

test.each(names)('a live list of %s conversations equals the list of the server after changes and cuts', (name) =>
  playListHistory(environment, name, { seed: 1, steps: 20 }),
);
