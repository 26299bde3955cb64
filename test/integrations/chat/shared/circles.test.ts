import { createConnection, Types } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Models } from '#shared/models/index.js';
import type { UserPrincipal } from '../../../../src/auth/principal.js';
import { createAccess as createChatAccess } from '../../../../src/integrations/chat/community/access.js';
import { createAuthentication } from '../../../../src/integrations/chat/shared/authentication.js';
import { createCallers } from '../../../../src/integrations/chat/shared/circles.js';
import { createAccess } from '../../../../src/integrations/chat/support/access.js';
import { createUserServices } from '../../../../src/integrations/users/index.js';
import { defineGatewayModels } from '../../../../src/models/index.js';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment, type TestEnvironment } from '../../../support/environment.js';
import { createRandom } from '../../../support/random.js';

/*
 * A node remembers who was in a conversation at its last event, to ask for them together with the caller. Whatever other
 * services change between two events, a node that remembers decides as one that remembers nothing.
 */

const STEPS = 50;
const USERS = 5;

let environment: TestEnvironment;
/** The models of a gateway, which convert what they read. */
let models: Models;

const clock = createTestClock();
const logger = { warn: () => undefined };

beforeAll(async () => {
  environment = await createTestEnvironment();
  const connection = await createConnection(environment.database.url, { autoIndex: false }).asPromise();
  environment.defer(() => connection.close());
  models = defineGatewayModels(connection, { clock, logger } as never);
});
afterAll(() => environment.close());

/** Both kinds of access, as a node has them that was just started. */
function createNode() {
  const context = { models, clock, logger, emitter: { disconnect: () => undefined } } as never;
  const { people, blocks } = createUserServices(context);
  const authentication = createAuthentication({ ...(context as object), people } as never);
  const callers = createCallers(authentication);
  const support = createAccess({ models, callers, blocks, clock: clock });
  const community = createChatAccess({ models, callers, blocks, clock: clock });
  const decide = async (principal: UserPrincipal, id: string) => {
    const outcomes = await Promise.allSettled([support.open(principal, id), community.open(principal, id)]);
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') return String(outcome.reason);
      const { caller, isBlocked, blocked, ...more } = outcome.value;
      const audience = 'audience' in more ? [more.audience, [...more.outsiders].sort()] : [];
      return { caller, isBlocked, blocked: [...blocked].sort(), audience };
    });
  };
  return { decide };
}

test('what is remembered of a conversation decides nothing', async () => {
  const random = createRandom(7);
  const names = Array.from({ length: USERS }, (_, n) => `User ${n}`);
  const users = (await environment.people(...names)).map(({ id }) => new Types.ObjectId(id));
  const accounts = [...(await models.User.distinct('account')), new Types.ObjectId(), 'no ObjectId', null];
  const shared = new Types.ObjectId();
  const department = await models.Department.create({ name: 'Sales', members: users.slice(0, 2) });
  await models.SupportConversation.create({ _id: shared, participants: users });
  await models.Chat.create({ _id: shared, participants: users, type: 'group' });
  const { pick } = random;
  const anyForm = (id: Types.ObjectId): unknown => pick([id, id.toHexString()]);
  const some = (): Types.ObjectId[] => users.filter(() => random.chance(0.7));
  const changeUser = (change: object) => models.User.collection.updateOne({ _id: pick(users) }, { $set: change });
  const changeSupport = (change: object) =>
    models.SupportConversation.collection.updateOne({ _id: shared }, { $set: change });
  const changes: (() => Promise<unknown>)[] = [
    () => changeUser({ blockedUsers: [anyForm(pick(users))] }),
    () => changeUser({ blockedUsers: [] }),
    () => changeUser({ account: pick(accounts) }),
    () => changeUser({ account: accounts[0] }),
    () => changeUser({ status: pick(['active', 'active', 'blocked']) }),
    () => changeSupport({ participants: some().map(anyForm) }),
    () => changeSupport({ createdBy: pick([...users, null]) }),
    () => changeSupport({ departmentId: pick([department._id, null, null]) }),
    () =>
      models.Chat.collection.updateOne(
        { _id: shared },
        { $set: { participants: some(), type: pick(['direct', 'group']) } },
      ),
  ];
  const remembering = createNode();
  for (let step = 0; step < STEPS; step += 1) {
    const change = pick(changes);
    await change();
    const userId = pick(users).toHexString();
    const principal = { kind: 'user', userId } as UserPrincipal;
    const decided = await remembering.decide(principal, shared.toHexString());
    expect(decided, `step ${step}`).toEqual(await createNode().decide(principal, shared.toHexString()));
  }
});
