import type { Model } from 'mongoose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '../../../src/platform/logging/logger.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import { fieldsOf, oddFieldsOf } from '../../support/odd-values.js';
import { domains, play } from './play.js';
import { createWorld, type World } from './worlds.js';

/*
 * One document that the gateway did not write like this, beside good ones: for each field of a model, at any depth, and each odd
 * value. Whatever its people do goes on. No call fails for a reason that only the log knows, others can do what they could, everybody
 * is shown what is good, and all that is sent and answered is what the contracts say.
 */

/** Each variant is half a second of calls. */
const FEWER = 60;
const TIMEOUT_MS = 7_200_000;
/** Worlds at a time. */
const TOGETHER = 3;

let environment: TestEnvironment;
const errors: string[] = [];

beforeAll(async () => {
  const logger = createLogger({ level: 'error', isPretty: false }, { write: (line) => void errors.push(line) });
  environment = await createTestEnvironment({ overrides: { logger }, env: { MESSAGE_LIMIT: '1000000' } });
});
afterAll(() => environment.close());

/** The documents of a world that are made odd, of the model that the first word names. */
const targets = {
  conversation: [
    'Conversation',
    'ConversationProspect',
    'Member of team',
    'Member of prospect',
    'Message',
    'Communication',
    'Counter',
    'Contact',
    'User',
    'User who calls',
  ],
  support: ['SupportConversation', 'SupportMessage', 'SupportRead', 'Department', 'User', 'User who calls'],
  community: ['Chat', 'ChatMessage', 'ChatPair', 'Notification', 'User', 'User who calls'],
} as const satisfies Record<keyof typeof domains, readonly string[]>;

const modelOf = (target: string): Model<never> => {
  const [name] = target.split(' ');
  return environment.models[name as 'Chat'] as never;
};

/** The good documents that an answer names. */
const shownIn = (answer: string, { names }: World): Set<string> =>
  new Set(
    [...answer.matchAll(/[0-9a-f]{24}/g)].flatMap(([id]) =>
      names.get(id)?.startsWith('good') ? names.get(id) : [],
    ) as string[],
  );

const toKey = (about: string, { names }: World): string =>
  about.replaceAll(/[0-9a-f]{24}/g, (id) => names.get(id) ?? 'an id');

/** Whether the access of the people is what is odd: who is no member of a group is told so. */
const decidesAccess = (target: string, path: string): boolean =>
  target === 'User who calls' ||
  (target === 'User' && /^(account|joinedGroups|isActive|status|blockedUntil)/.test(path));

test.each(Object.keys(domains) as (keyof typeof domains)[])(
  'an odd document stops no user: %s',
  {
    timeout: TIMEOUT_MS,
  },
  async (name) => {
    const goodWorld = await createWorld(environment);
    const expected = new Map(
      (await play(environment, goodWorld, domains[name], 'good')).map(({ about, code, answer }) => [
        toKey(about, goodWorld),
        { code, shown: shownIn(answer, goodWorld) },
      ]),
    );
    expect(expected.size).toBeGreaterThan(20);
    const variants = targets[name].flatMap((target, place) =>
      oddFieldsOf(fieldsOf(modelOf(target)), FEWER, 7 * place).map((one) => ({ ...one, target })),
    );
    expect(variants.length).toBeGreaterThan(2);
    const faults: string[] = [];

    const tryOne = async ({ target, about, path, update }: (typeof variants)[number]): Promise<void> => {
      const world = await createWorld(environment);
      const { collection } = modelOf(target);
      // An index keeps some out, and a field cannot be set in what is no document.
      const isStored = await collection.updateMany(world.targets[target] as never, update).then(
        () => true,
        ({ code }: { code?: number }) => {
          if (![28, 171, 11_000].includes(code ?? 0)) throw new Error(`${target} ${about} cannot be stored: ${code}`);
          return false;
        },
      );
      if (!isStored) return;
      for (const step of await play(environment, world, domains[name], `${target} ${about}`)) {
        const key = toKey(step.about, world);
        const good = expected.get(key);
        const what = `${target} ${about}, ${key}: ${step.code}`;
        if (/^INTERNAL|^500$/.test(step.code)) faults.push(what);
        if (key.includes(', odd') || decidesAccess(target, path)) continue;
        if (step.code !== good?.code) faults.push(`${what} instead of ${good?.code}`);
        const shown = shownIn(step.answer, world);
        for (const one of good?.shown ?? []) if (!shown.has(one)) faults.push(`${what} without ${one}`);
      }
    };
    const queue = variants.values();
    const work = async (): Promise<void> => {
      for (const variant of queue) await tryOne(variant);
    };
    await Promise.all(Array.from({ length: TOGETHER }, work));
    expect(faults).toEqual([]);
    expect(errors.splice(0)).toEqual([]);
  },
);
