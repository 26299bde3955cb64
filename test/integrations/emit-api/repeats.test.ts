import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createRepeats } from '../../../src/integrations/emit-api/repeats.js';

function setUp() {
  const doAfterFirst = createRepeats();
  const begun: string[] = [];
  let settle: { resolve(answer: string): void; reject(error: Error): void } | undefined;
  const pending = new Promise<string>((resolve, reject) => {
    settle = { resolve, reject };
  });
  const call = (key: string, name: string, work: Promise<string> = Promise.resolve(name)) =>
    doAfterFirst(key, () => {
      begun.push(name);
      return work;
    });
  return { begun, pending, settle, call };
}

test('calls with the key of one that is being done ask when it is done; others go on', async () => {
  const { begun, pending, settle, call } = setUp();
  const calls = [call('key', 'first', pending), call('key', 'second'), call('key', 'third'), call('other', 'own')];
  await turn();
  expect(begun).toEqual(['first', 'own']);
  settle?.resolve('done');
  expect(await Promise.all(calls)).toEqual(['done', 'second', 'third', 'own']);
  await call('key', 'later');
  expect(begun).toEqual(['first', 'own', 'second', 'third', 'later']);
});

test('a call that fails fails alone', async () => {
  const { pending, settle, call } = setUp();
  const failed = call('key', 'first', pending);
  const second = call('key', 'second');
  settle?.reject(new Error('no database'));
  await expect(failed).rejects.toThrow('no database');
  expect(await second).toBe('second');
});
