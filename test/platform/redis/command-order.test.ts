import { expect, test } from 'vitest';
import { type CommandOrder, createCommandOrder } from '../../../src/platform/redis/command-order.js';

/** A connection that records what is sent, and answers when the test says so. */
function createConnection(order: CommandOrder) {
  const sent: string[] = [];
  const replies = new Map<string, PromiseWithResolvers<string>>();
  const start = (command: string) => (): Promise<string> => {
    sent.push(command);
    const reply = withResolvers();
    replies.set(command, reply);
    return reply.promise;
  };
  const settle = async (command: string, error?: Error): Promise<void> => {
    const reply = replies.get(command);
    if (reply === undefined) throw new Error(`${command} was not sent`);
    if (error === undefined) reply.resolve(`reply to ${command}`);
    else reply.reject(error);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    sent,
    settle,
    send: (command: string) => order.inTurn(start(command)),
    sendOrElse: (command: string) =>
      order.inTurn(() => order.attempt(start(command), () => order.inTurn(start(`instead of ${command}`)))),
  };
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function withResolvers(): PromiseWithResolvers<string> {
  const settlers: Pick<PromiseWithResolvers<string>, 'resolve' | 'reject'>[] = [];
  const promise = new Promise<string>((resolve, reject) => settlers.push({ resolve, reject }));
  const [settler] = settlers;
  if (settler === undefined) throw new Error('no settler');
  return { promise, ...settler };
}

const refused = (code: string): Error => new Error(`${code} refused by a test`);

test('what is sent while nothing is refused is sent at once', () => {
  const { sent, send, sendOrElse } = createConnection(createCommandOrder());
  void send('1');
  void sendOrElse('2');
  void send('3');
  expect(sent).toEqual(['1', '2', '3']);
});

test('replacements take the place of refused commands, ahead of what is sent later', async () => {
  const { sent, send, sendOrElse, settle } = createConnection(createCommandOrder());
  const results = [sendOrElse('1'), sendOrElse('2'), sendOrElse('3')];
  await settle('1', refused('NOSCRIPT'));
  results.push(send('4'), sendOrElse('5'));
  await settle('2');
  expect(sent).toEqual(['1', '2', '3', 'instead of 1']);
  await settle('3', refused('TRYAGAIN'));
  expect(sent).toEqual(['1', '2', '3', 'instead of 1', 'instead of 3', '4', '5']);
  for (const command of ['instead of 1', 'instead of 3', '4', '5']) await settle(command);
  expect(await Promise.all(results)).toEqual([
    'reply to instead of 1',
    'reply to 2',
    'reply to instead of 3',
    'reply to 4',
    'reply to 5',
  ]);
});

test('an error that does not say that a command was not run is an error of the call, and nothing waits for it', async () => {
  const { sent, send, sendOrElse, settle } = createConnection(createCommandOrder());
  const result = expect(sendOrElse('1')).rejects.toThrow('the connection was lost');
  await settle('1', new Error('the connection was lost'));
  await result;
  void send('2');
  expect(sent).toEqual(['1', '2']);
});

test('what waits is sent when the replacement fails', async () => {
  const { sent, send, sendOrElse, settle } = createConnection(createCommandOrder());
  const result = expect(sendOrElse('1')).rejects.toThrow('the connection was lost');
  await settle('1', refused('MOVED'));
  void send('2');
  await settle('instead of 1', new Error('the connection was lost'));
  await result;
  expect(sent).toEqual(['1', 'instead of 1', '2']);
});
