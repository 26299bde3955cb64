import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { endBodies, handleBodiesInSlices, handleSome } from '../../src/library-internals/polled-bodies.js';

const SEPARATOR = '\u001e';

/** The polling transport of Engine.IO, whose requests have arrived as soon as they begin. */
class TestTransport {
  readonly handled: string[] = [];
  readonly hasLengths: boolean;

  constructor(hasLengths: boolean) {
    this.hasLengths = hasLengths;
  }
  onDataRequest(request: { readonly body: string }, response: { end(text: string): void }): void {
    this.onData(request.body);
    response.end('ok');
  }
  onData(body: string): void {
    if (this.hasLengths) {
      for (const [, packet = ''] of body.matchAll(/5:(p\d{4})/g)) this.handled.push(packet);
    } else {
      this.handled.push(...body.split(SEPARATOR));
    }
  }
}

function setUp({ protocol = 4 } = {}) {
  const transport = new TestTransport(protocol === 3);
  const connection = { protocol, transport, readyState: 'open' };
  const brake = { isSlowed: false };
  handleBodiesInSlices(connection as never, () => brake.isSlowed);
  const answers: string[] = [];
  return {
    connection,
    brake,
    answers,
    handled: transport.handled,
    post(body: string, name = 'ok') {
      transport.onDataRequest({ body }, { end: () => answers.push(name) });
    },
    async finish() {
      while (answers.length === 0) await turn();
    },
  };
}

const packets = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `p${String(from + index).padStart(4, '0')}`);
const join = (list: readonly string[]): string => list.join(SEPARATOR);

test.each([
  ['of the protocol', 4, join],
  ['of the protocol before it', 3, (list: readonly string[]) => list.map((text) => `${text.length}:${text}`).join('')],
] as const)('a body %s is handled some packets at a time, in order, and then answered', async (_, protocol, toBody) => {
  const { handled, answers, post, finish } = setUp({ protocol });
  post(toBody(packets(1000)));
  expect(handled).toHaveLength(100);
  await turn();
  expect(handled.length).toBeLessThan(1000);
  expect(answers).toEqual([]);
  await finish();
  expect(handled).toEqual(packets(1000));
});

test('a small body is handled and answered at once', () => {
  const { handled, answers, post } = setUp();
  post('p0000');
  post(join(packets(99, 1)));
  expect(handled).toEqual(packets(100));
  expect(answers).toEqual(['ok', 'ok']);
});

test('what a client sends without waiting for the answer comes after what it has sent before', async () => {
  const { handled, answers, post, finish } = setUp();
  post(join(packets(300)), 'first');
  post(join(packets(300, 300)), 'second');
  await finish();
  while (answers.length < 2) await turn();
  expect(answers).toEqual(['first', 'second']);
  expect(handled).toEqual(packets(600));
});

test('of a client that is slowed down nothing is handled before its turn', async () => {
  const { brake, connection, handled, answers, post } = setUp();
  post(join(packets(300)));
  brake.isSlowed = true;
  for (let turns = 0; turns < 10; turns += 1) await turn();
  expect(handled).toHaveLength(100);
  expect([handleSome(connection as never), handled.length]).toEqual([true, 200]);
  expect([handleSome(connection as never), handled.length, answers]).toEqual([true, 300, ['ok']]);
  post('p0300');
  expect(handled).toHaveLength(300);
  expect([handleSome(connection as never), handled.length]).toEqual([true, 301]);
  expect(handleSome(connection as never)).toBe(false);
});

test.each([
  ['has left', { readyState: 'closed' }],
  ['has another transport', { transport: {} }],
])('what a client has sent that %s is forgotten, and its request answered', async (_, change) => {
  const { connection, handled, post, finish } = setUp();
  post(join(packets(300)));
  Object.assign(connection, change);
  await finish();
  expect(handled).toHaveLength(100);
});

test('the requests of a client that is slowed down and leaves are answered', () => {
  const { brake, connection, answers, post } = setUp();
  post(join(packets(300)), 'first');
  brake.isSlowed = true;
  post(join(packets(300)), 'second');
  endBodies(connection as never);
  expect(answers).toContain('first');
});
