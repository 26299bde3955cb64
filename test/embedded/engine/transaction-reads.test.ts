import { expect, test } from 'vitest';
import type { Document } from '../../../src/embedded/bson/values.js';
import { Database } from '../../../src/embedded/engine/database.js';
import { DirectWriter } from '../../../src/embedded/engine/direct-writer.js';
import { readDocuments } from '../../../src/embedded/engine/read.js';
import { TransactionWriter } from '../../../src/embedded/engine/transaction-writer.js';
import { compileFilter } from '../../../src/embedded/query/filters/filter.js';
import { createMemoryStorage } from '../support/memory-storage.js';

const DOCUMENTS = 100;

/** A transaction that has changed one half of the documents, removed the last one, and inserted another. */
function createWorld() {
  const database = new Database({ storage: createMemoryStorage(), onProblem: () => {} });
  const collection = database.openCollection({ database: 'test', name: 'documents' });
  const outside = new DirectWriter(database);
  for (let _id = 0; _id < DOCUMENTS; _id += 1) outside.insert(collection, { _id, state: 'old' });
  outside.commit();
  const transaction = database.transactions.start();
  const writer = new TransactionWriter(transaction);
  const documentOf = (id: number): Document => collection.records.get(collection.keyOf(id))?.document ?? {};
  for (let _id = 0; _id < DOCUMENTS / 2; _id += 1) writer.replace(collection, documentOf(_id), { _id, state: 'new' });
  writer.remove(collection, documentOf(DOCUMENTS - 1));
  writer.insert(collection, { _id: DOCUMENTS, state: 'inserted' });
  const later = new DirectWriter(database);
  later.replace(collection, documentOf(DOCUMENTS - 2), { _id: DOCUMENTS - 2, state: 'later' });
  later.commit();
  let compared = 0;
  const read = (filter: Document): Document[] => {
    compared = 0;
    const matcher = compileFilter(filter);
    const matches = (document: Document): boolean => {
      compared += 1;
      return matcher.matches(document);
    };
    return readDocuments(collection, { matcher: { ...matcher, matches }, transaction, checkTime: () => undefined });
  };
  return { read, countCompared: () => compared };
}

test('a transaction reads by `_id` what it sees, and compares no other document that it has written', () => {
  const { read, countCompared } = createWorld();
  for (const [_id, state] of [
    [1, 'new'],
    [DOCUMENTS / 2, 'old'],
    [DOCUMENTS - 2, 'old'],
    [DOCUMENTS, 'inserted'],
  ]) {
    expect(read({ _id })).toEqual([{ _id, state }]);
    expect(countCompared()).toBe(1);
    expect(read({ _id, state: 'other' })).toEqual([]);
  }
  expect(read({ _id: DOCUMENTS - 1 })).toEqual([]);
});

test('a transaction that reads everything sees each document once', () => {
  const { read } = createWorld();
  const states = read({}).map(({ _id, state }) => `${_id} ${state}`);
  expect(states).toHaveLength(DOCUMENTS);
  expect(new Set(states)).toEqual(
    new Set([
      ...Array.from({ length: DOCUMENTS - 1 }, (_, id) => `${id} ${id < DOCUMENTS / 2 ? 'new' : 'old'}`),
      `${DOCUMENTS} inserted`,
    ]),
  );
});
