import { Types } from 'mongoose';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { ClientEvent } from '#shared/contracts/contract.js';
import { publishedContracts, publishedNamespaces } from '#shared/contracts/index.js';
import { catalogue } from '../../../src/errors.js';
import { connect, type TestClient } from '../../support/client.js';
import { replyFormatOf } from './reply-formats.js';
import { asAttacker, useTarget } from './target.js';

const MEGABYTE = 'x'.repeat(1_000_000);
const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);

/** Arguments that no event accepts. */
const WRONG_DATA: Record<string, unknown> = {
  'a number': 7,
  'a string': 'join',
  'a boolean': true,
  'an array': [{}],
  'a megabyte': MEGABYTE,
  '1000 levels': nested(1000),
  'a hundred thousand items': Array(100_000).fill(0),
  binary: Buffer.from('{}'),
};

/** Arguments that are equivalent to `{}`. */
const EMPTY_DATA: Record<string, readonly unknown[]> = {
  'no argument': [],
  null: [null],
  'a function': [() => undefined],
  'unknown fields': [{ unknown: 1, constructor: 1, hasOwnProperty: null, toString: 'x', length: -1 }],
  'a key __proto__': [JSON.parse('{"__proto__":{"isPolluted":true},"constructor":{"prototype":{"isPolluted":true}}}')],
  'an unknown field of 1000 levels': [{ deep: nested(1000) }],
  'binary in an unknown field': [{ file: Buffer.alloc(1000) }],
  'more arguments': [{}, 'and', ['more']],
};

/** Values for each field of a contract, as they are sent and as they are received. */
const FIELD_VALUES = Object.values<unknown>({
  null: null,
  'a number': -1.5,
  'an empty string': '',
  'a text of 100,000 characters': 'x'.repeat(100_000),
  'a lone surrogate': '\ud800',
  'control characters': '\u0000\u001b\u007f',
  'a query': { $gt: '', $where: 'while (true) {}' },
  'an array': [[]],
  '1000 levels': nested(1000),
  'a long list': Array(30_000).fill({}),
  'a key __proto__': JSON.parse('{"__proto__":{"isPolluted":true}}'),
  binary: Buffer.alloc(24),
}).map((value) => ({ value, received: JSON.parse(JSON.stringify(value)) as unknown }));

// Larger frames close the connection, which other tests cover. Here every event must be acknowledged.
const current = useTarget({ SOCKET_OPEN_MAX: '2000000' });
interface Target {
  readonly namespace: string;
  readonly name: string;
  readonly event: ClientEvent;
}

/** Sends one event, and can do so again before its limit, which applies before the data is parsed, hides other faults. */
let sender: { readonly target: Target; readonly client: TestClient; calls: number } | undefined;
afterAll(() => sender?.client.close());

/** Sends as a user below the limits. */
async function ask(target: Target, ...args: readonly unknown[]): Promise<unknown> {
  const { namespace, name, event } = target;
  if (sender?.target !== target || sender.calls === event.limit?.points) {
    sender?.client.close();
    const uid = String(new Types.ObjectId());
    await current().models.User.create({ _id: uid, firstName: 'Mallory' });
    await current().models.Department.updateOne({}, { $push: { members: uid } });
    const client = await connect(current().gateway, { ...asAttacker(namespace), claims: { uid } });
    sender = { target, client, calls: 0 };
  }
  sender.calls += 1;
  return sender.client.ask(name, ...args);
}

const fieldsOf = (event: ClientEvent): string[] => {
  const schema = z.toJSONSchema(event.payload, { io: 'input', unrepresentable: 'any' });
  return Object.keys(schema.properties ?? {});
};

/** Expects a `VALIDATION_ERROR` without additional fields. */
function expectRefused(namespace: string, answer: unknown): void {
  const details = replyFormatOf(namespace).detailsOf(answer);
  const detail = z.strictObject({ path: z.string().max(256), message: z.string().min(1).max(256) });
  z.array(detail).min(1).max(20).parse(details);
}

/** Expects a refusal of invalid data; valid data can get every documented answer except those of an internal failure. */
function expectDocumented(namespace: string, answer: unknown, isAccepted: boolean): void {
  const { INTERNAL_ERROR: _, ...documented } = catalogue;
  if (isAccepted) expect(['SUCCESS', ...Object.keys(documented)]).toContain(replyFormatOf(namespace).codeOf(answer));
  else expectRefused(namespace, answer);
}

const events = publishedContracts.flatMap(({ contract, namespaces }) =>
  namespaces.flatMap((namespace) =>
    Object.entries<ClientEvent>(contract.clientEvents)
      .filter(([, event]) => event.takesAllArguments !== true)
      .map(([name, event]): Target => ({ namespace, name, event })),
  ),
);

describe.each(events)('$name on $namespace', (target) => {
  const { namespace, name, event } = target;
  afterAll(() => current().expectUnharmed());

  test.each(Object.entries(WRONG_DATA))('refuses %s', async (_name, data) => {
    expectRefused(namespace, await ask(target, data));
  });

  test.each(Object.entries(EMPTY_DATA))('accepts %s as {}', async (_name, args) => {
    const answer = await ask(target, ...args);
    expectDocumented(namespace, answer, event.payload.safeParse({}).success);
    expect({}).not.toHaveProperty('isPolluted');
  });

  test('answers for any values of its fields', async () => {
    for (const field of fieldsOf(event)) {
      for (const { value, received } of FIELD_VALUES) {
        const isAccepted = event.payload.safeParse({ [field]: received }).success;
        expectDocumented(namespace, await ask(target, { [field]: value }), isAccepted);
      }
    }
    expect({}).not.toHaveProperty('isPolluted');
  });

  test('reports a failure by an event without an acknowledgement', async () => {
    const client = await connect(current().gateway, asAttacker(namespace));
    client.socket.emit(name, 7);
    const { event: told, answer } = await replyFormatOf(namespace).nextFailure(client);
    expect(told ?? name).toBe(name);
    expectRefused(namespace, answer);
    client.close();
  });
});

describe.each(Object.keys(publishedNamespaces))('unknown event names on %s', (namespace) => {
  afterAll(() => current().expectUnharmed());

  const NAMES: Record<string, string> = {
    error: 'error',
    'a name of objects': 'constructor',
    'the name of the prototype': '__proto__',
    'an empty name': '',
    'a name of Engine.IO': 'close',
    'our own events': 'event_error',
    'control characters': 'a\u0000b\u001b[31m',
    unicode: 'événement 🚀 ‮',
  };

  test.each(Object.entries(NAMES))('answers %s with NOT_FOUND', async (_name, name) => {
    const client = await connect(current().gateway, asAttacker(namespace));
    const { notFound, nextFailure } = replyFormatOf(namespace);
    expect(await client.ask(name, { a: 1 })).toStrictEqual(notFound);
    client.socket.emit(name);
    expect(await nextFailure(client)).toStrictEqual({ event: name, answer: notFound });
    client.close();
  });

  test('truncates a name of 100,000 characters in its answer', async () => {
    const client = await connect(current().gateway, asAttacker(namespace));
    client.socket.emit('n'.repeat(100_000));
    expect((await replyFormatOf(namespace).nextFailure(client)).event).toBe('n'.repeat(128));
    client.close();
  });
});
