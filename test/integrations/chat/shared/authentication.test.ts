import { expect, test } from 'vitest';
import { createAuthentication } from '../../../../src/integrations/chat/shared/authentication.js';
import { createPeople } from '../../../../src/integrations/users/people.js';
import { createTestClock } from '../../../support/clock.js';

const ATTEMPTS = 1000;

/** A door whose database answers when it is told to. */
function setUp() {
  const clock = createTestClock();
  const queries: { ids: unknown[]; answer: () => void }[] = [];
  const collection = {
    find: ({ _id }: { _id: { $in: unknown[] } }) => ({
      toArray: () => new Promise((resolve) => queries.push({ ids: _id.$in, answer: () => resolve([]) })),
    }),
  };
  const User = { collection };
  const authentication = createAuthentication({
    people: createPeople({ models: { User } as never, clock, steadyClock: clock }),
    userAuth: { anyoneAtHandshake: async ({ auth }: never) => ({ kind: 'user', userId: auth['token'] }) } as never,
    emitter: {} as never,
    clock,
  });
  const knock = (userId: string): Promise<unknown> =>
    authentication.authenticate({ auth: { token: userId }, query: {}, headers: {} }).then(
      () => 'in',
      (error: Error) => error.message,
    );
  return { clock, queries, knock, authentication };
}

const toId = (index: number): string => index.toString(16).padStart(24, '0');
/** Long enough for whatever begins at once. */
async function nextTurns(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
const REFUSAL = 'INVALID_TOKEN';

test('asks for all users who connect at once in two queries, one after the other', async () => {
  const { queries, knock } = setUp();
  const first = knock(toId(0));
  await nextTurns();
  expect(queries.map(({ ids }) => ids.length)).toEqual([1]);
  const others = Promise.all(Array.from({ length: ATTEMPTS - 1 }, (_, index) => knock(toId(index + 1))));
  await nextTurns();
  expect(queries).toHaveLength(1);
  queries[0]?.answer();
  expect(await first).toBe(REFUSAL);
  await expect.poll(() => queries.length).toBe(2);
  queries[1]?.answer();
  expect(new Set(await others)).toEqual(new Set([REFUSAL]));
  expect(queries).toHaveLength(2);
});

test('asks once in a second for a user who was refused', async () => {
  const { clock, queries, knock } = setUp();
  const knockAndAnswer = async (): Promise<void> => {
    const told = knock(toId(7).toUpperCase());
    await nextTurns();
    queries.at(-1)?.answer();
    expect(await told).toBe(REFUSAL);
  };
  for (let attempt = 0; attempt < 20; attempt += 1) await knockAndAnswer();
  expect(queries).toHaveLength(1);
  clock.advance(1000);
  const told = knock(toId(7));
  // Queries are spaced in real time.
  await expect.poll(() => queries.length).toBe(2);
  queries.at(-1)?.answer();
  expect(await told).toBe(REFUSAL);
});

test('an empty token counts as absent where there is a bearer token', async () => {
  const { queries, authentication } = setUp();
  const headers = { authorization: `Bearer ${toId(7)}` };
  const refused = authentication
    .authenticate({ auth: { token: '' }, query: {}, headers })
    .catch((error) => error.message);
  await nextTurns();
  expect(queries[0]?.ids.map(String)).toEqual([toId(7)]);
  queries[0]?.answer();
  expect(await refused).toBe(REFUSAL);
});
