import { Types } from 'mongoose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answers } from '../../../support/fcm.js';
import { type Document, type MongoProxy, nameOf } from '../../../support/mongo-proxy.js';
import { refuseCommands } from '../../../support/refused-commands.js';
import { until } from '../../../support/until.js';
import { createPushEnvironment, type PushEnvironment } from './push-environment.js';

let environment: PushEnvironment;

beforeAll(async () => {
  environment = await createPushEnvironment();
});
afterAll(() => environment.close());

/** Passes of both nodes, each of which looks for what is due. */
async function pass(times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) {
    environment.clock.advance(5000);
    // A query of the same database: what the pass has asked before is answered by now.
    await environment.waiting();
  }
}

/** Moves time on until nothing is due and nothing will be: everything that was to be sent has been. */
const settled = () => environment.clock.advanceUntil(5000, async () => (await environment.waiting()) === 0);

/** MaxTimeMSExpired: the driver neither repeats the command nor looks for another server, which takes real time. */
const TOO_SLOW = 50;

/** Lets commands of nodes fail until the returned function is called. */
function fail(proxies: readonly MongoProxy[], commands: readonly string[]): () => void {
  const ends = proxies.map((proxy) => refuseCommands(proxy, commands, { code: TOO_SLOW }));
  return () => {
    for (const end of ends) end();
  };
}

/** Stores what another service wrote. */
const insertTokens = (userId: unknown, webToken: unknown) =>
  environment.models.FcmToken.collection.insertOne({ user_id: userId, web_token: webToken } as never);

const storedTokens = async (userId: unknown): Promise<unknown[]> => {
  const found = await environment.models.FcmToken.collection.find({ user_id: userId } as never).toArray();
  return found.map(({ web_token: stored }) => stored as unknown);
};

describe('a push and its message', () => {
  const isInsert = (command: Document): boolean => nameOf(command) === 'insert' && command['insert'] === 'delivery.log';
  const isRelease = ({ update, updates }: Document): boolean =>
    update === 'delivery.pushes' && (updates as { upsert?: boolean }[]).every(({ upsert }) => upsert !== true);
  const refusal = { ok: 0, code: 1, errmsg: 'refused by a test' };

  /** Answers commands of the node that takes the calls until the returned function is called. */
  function rule(onCommand: NonNullable<MongoProxy['rules']['onCommand']>): () => void {
    const [{ rules }] = environment.proxies;
    rules.onCommand = onCommand;
    return () => {
      delete rules.onCommand;
    };
  }

  test('is not claimed while its message is being stored, and sent as soon as it is', async () => {
    const { fcm, register, emit } = environment;
    await register('storing', 'storing-phone');
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let isStoring = false;
    const end = rule(async (command) => {
      if (!isInsert(command)) return undefined;
      isStoring = true;
      await held;
      return undefined;
    });
    const emitted = emit('storing', { title: 'x' }, '&push_after=0');
    await until(async () => isStoring && (await environment.waiting()) === 1);
    // The other node looks for what is due.
    await pass(1);
    expect(await environment.models.DeliveryPush.countDocuments({ attempts: { $gt: 0 } })).toBe(0);
    release();
    await emitted;
    await fcm.has('storing-phone', 1);
    end();
    await settled();
    expect(fcm.to('storing-phone').length).toBe(1);
  });

  test('is sent later when its node ends between the two', async () => {
    const { fcm, register, emit, clock } = environment;
    await register('between', 'between-phone');
    const end = rule((command) => (isRelease(command) ? refusal : undefined));
    const { id } = await emit('between', { title: 'x' }, '&push_after=0');
    await pass(1);
    expect(fcm.to('between-phone')).toEqual([]);
    await clock.advanceUntil(1000, async () => fcm.to('between-phone').length > 0);
    end();
    await settled();
    expect([fcm.to('between-phone').length, await environment.stateOf(id)]).toEqual([1, 'pushed']);
  });

  test('is never sent when its message was not stored', async () => {
    const { fcm, register, nodes } = environment;
    await register('lost', 'lost-phone');
    const end = rule((command) => (isInsert(command) ? refusal : undefined));
    const { status } = await nodes[0].call('POST', '/emit/lost/m?push=true&push_after=0', { title: 'x' });
    end();
    expect([status, await environment.waiting()]).toEqual([503, 1]);
    await settled();
    expect(fcm.to('lost-phone')).toEqual([]);
  });
});

describe('tokens in the form of other services', () => {
  test.each([
    ['text', (bad: string) => bad, []],
    ['an array', (bad: string) => [bad, 'kept'], ['kept']],
    ['nested arrays', (bad: string) => ['kept', [bad, ['also kept', bad]]], ['kept', [['also kept']]]],
    ['an array of everything', (bad: string) => [null, 7, { a: 1 }, bad, true], [null, 7, { a: 1 }, true]],
  ])('removes a refused token from %s, and shows the rest once', async (form, toStored, left) => {
    const { fcm, emit } = environment;
    const user = new Types.ObjectId();
    const [bad, good] = [`$bad of ${form}`, `good of ${form}`];
    await insertTokens(user, toStored(bad));
    await insertTokens(user.toHexString(), good);
    fcm.answer(bad, answers.unregistered);
    const { id } = await emit(user.toHexString(), { title: 'x' }, '&push_after=0');
    await fcm.has(good, 1);
    await pass(30);
    await settled();
    expect([fcm.to(good).length, fcm.to(bad).length]).toEqual([1, 1]);
    expect(await storedTokens(user)).toEqual([left]);
    expect(await storedTokens(user.toHexString())).toEqual([good]);
    expect(await environment.stateOf(id)).toBe('pushed');
  });

  test.each([null, 7, {}, [], '', { token: 'x' }, [[[[[['too deep']]]]]], undefined].map((stored) => ({ stored })))(
    'ignores $stored and leaves it as it is',
    async ({ stored }) => {
      const { fcm, emit } = environment;
      const user = new Types.ObjectId();
      const [bad, good] = [`bad beside ${user}`, `good beside ${user}`];
      await insertTokens(user, stored);
      await insertTokens(user, [bad, good]);
      fcm.answer(bad, answers.unregistered);
      await emit(user.toHexString(), { title: 'x' }, '&push_after=0');
      await fcm.has(good, 1);
      await settled();
      expect(await storedTokens(user)).toEqual([stored === undefined ? null : stored, [good]]);
    },
  );
});

describe('what FCM refuses', () => {
  const token = (name: string) => `${name} of the refused`;

  test('removes tokens that can never succeed, and keeps those that only the project or the message is to blame for', async () => {
    const { fcm, emit, register, tokensOf } = environment;
    const user = new Types.ObjectId();
    const removed = ['unregistered', 'invalidToken', 'invalidField'] as const;
    const ofProject = ['forbidden', 'thirdPartyAuth', 'noProject', 'plainForbidden', 'senderMismatch'] as const;
    const kept = ['invalidMessage', ...ofProject] as const;
    const names = [...removed, ...kept];
    await register(user, ...names.map(token), token('good'));
    for (const name of names) fcm.answer(token(name), answers[name], answers[name]);
    await emit(user.toHexString(), { title: 'x' }, '&push_after=0');
    await fcm.has(token('good'), 1);
    await pass(30);
    await settled();
    expect(await tokensOf(user)).toEqual([...kept.map(token), token('good')]);
    expect(names.map((name) => fcm.to(token(name)).length)).toEqual(names.map(() => 1));
  });
});

describe('a database that fails after FCM has answered', () => {
  const WRITES = ['update', 'delete', 'findAndModify'];

  /** Emits, and lets commands fail while FCM's answer is under way. */
  async function emitAndFail(
    user: string,
    commands: readonly string[],
    { isFirstAlone = false, result = 'sent' } = {},
  ) {
    const release = environment.fcm.hold();
    const [first, second] = environment.proxies;
    // With one node to fail, the other cannot claim the push.
    const restoreClaims = isFirstAlone ? fail([second], ['findAndModify']) : undefined;
    const { id } = await environment.emit(user, { title: 'x' }, '&push_after=0');
    await environment.fcm.has(user, 1);
    const before = await environment.counted(result);
    const restore = fail(isFirstAlone ? [first] : environment.proxies, commands);
    restoreClaims?.();
    release();
    await until(async () => (await environment.counted(result)) > before);
    return { id, restore };
  }

  test.each([
    ['for a minute', 12],
    ['for longer than any lease', 60],
  ])('%s: the push is sent once, and marked when it is back', async (name, passes) => {
    const { fcm, register, stateOf } = environment;
    const user = `outage-${name.replaceAll(' ', '-')}`;
    await register(user, user);
    const { id, restore } = await emitAndFail(user, WRITES);
    await pass(passes);
    restore();
    // The other node finds an expired lease at the same moment as the holder can store again.
    await environment.clock.advanceUntil(5000, async () => (await stateOf(id)) === 'pushed');
    await pass(30);
    await settled();
    expect(fcm.to(user).length).toBe(1);
  });

  test.each(['update', 'delete'])('at its %s alone: the push is sent once', async (command) => {
    const { fcm, register, stateOf } = environment;
    const user = `fails-${command}`;
    await register(user, user);
    const { id, restore } = await emitAndFail(user, [command]);
    await pass(40);
    expect(fcm.to(user).length).toBe(1);
    restore();
    await pass(60);
    await settled();
    expect([fcm.to(user).length, await stateOf(id)]).toEqual([1, 'pushed']);
  });

  test('for one node alone: another stores what that node knows', async () => {
    const { fcm, models, register, stateOf } = environment;
    await register('cut-off', 'cut-off');
    const { id, restore } = await emitAndFail('cut-off', WRITES, { isFirstAlone: true });
    // Before time goes on: the other node is to store it before the lease has expired.
    await until(async () => (await models.DeliveryPush.exists({ _id: id, isShown: true })) !== null);
    // When the lease has expired, the other node does what is left.
    await environment.clock.advanceUntil(5000, async () => (await stateOf(id)) === 'pushed');
    await settled();
    restore();
    await pass(30);
    await settled();
    expect(fcm.to('cut-off').length).toBe(1);
  });

  test('for one node alone: another sends to the tokens that are left, also after that node is back', async () => {
    const { fcm, models, register } = environment;
    const user = 'cut-off-early';
    await register(user, user);
    fcm.answer(user, answers.unavailable, answers.unavailable);
    const { id, restore } = await emitAndFail(user, WRITES, { isFirstAlone: true, result: 'postponed' });
    const holds = async (attempts: number) => (await models.DeliveryPush.exists({ _id: id, attempts })) !== null;
    await environment.clock.advanceUntil(5000, () => fcm.to(user).length === 2);
    expect(await holds(2)).toBe(true);
    restore();
    // The first node stores its response, which is out of date.
    await pass(2);
    await environment.clock.advanceUntil(5000, () => fcm.to(user).length === 3);
    await settled();
    expect(fcm.to(user).length).toBe(3);
  });
});
