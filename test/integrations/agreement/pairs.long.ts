import { afterAll, beforeAll, test } from 'vitest';
import type { TestEnvironment } from '../../support/environment.js';
import { createTwoClocks } from '../chat/shared/two-clocks.js';
import { expectToMeet, meetingsOf } from './meeting.js';
import { community, statuses, support, team } from './operations.js';

let environment: TestEnvironment;

beforeAll(async () => {
  environment = await createTwoClocks();
});
afterAll(() => environment.close());

const seed = Math.floor(Math.random() * 2 ** 31);
const meetings = Object.entries({ support, community, team, statuses }).flatMap(([name, chat]) =>
  meetingsOf(chat).map(
    (meeting) => [`${name}: ${meeting.one} with ${meeting.others.join(', ')}`, chat, meeting] as const,
  ),
);

test.each(meetings)(`%s, at once on two nodes (seed ${seed})`, (_title, chat, meeting) =>
  expectToMeet(environment, chat, { ...meeting, seed }),
);
