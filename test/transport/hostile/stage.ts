import { createConnection } from 'mongoose';
import { afterAll, beforeAll, expect } from 'vitest';
import { defineModels, type Models } from '#shared/models/index.js';
import type { Overrides } from '../../../src/app.js';
import { type ClientOptions, connect, type TestClient } from '../../support/client.js';
import { startDatabase } from '../../support/database.js';
import { startGateway, type TestGateway } from '../../support/gateway.js';

/** A gateway that gets bad input, and another client that must not be affected. */
export interface Stage {
  readonly gateway: TestGateway;
  /** What the gateway stores, to be prepared. */
  readonly models: Models;
  /**
   * Holds when the process and everybody else are as before: an emit still reaches a bystander, `/status` answers, and
   * there was no uncaught error.
   */
  expectUnharmed(): Promise<void>;
}

/** The attacker, where a user has to be in the database. */
const ATTACKER = 'aaaaaaaaaaaaaaaaaaaaaaaa';

/** The department that the attacker is in. */
const DEPARTMENT = 'dddddddddddddddddddddddd';

/** How the attacker enters a namespace. */
export const asAttacker = (namespace: string): ClientOptions => ({
  namespace,
  claims: { uid: ATTACKER },
  query: { departmentId: DEPARTMENT },
});

/** Sets the stage for the tests of a file. @returns the stage, once the tests run */
export function useStage(env: Record<string, string> = {}, overrides: Overrides = {}): () => Stage {
  const faults: unknown[] = [];
  const noteFault = (reason: unknown): void => void faults.push(reason);
  let stage: Stage | undefined;
  const undo: (() => unknown)[] = [];

  beforeAll(async () => {
    process.on('uncaughtException', noteFault);
    process.on('unhandledRejection', noteFault);
    const database = await startDatabase();
    undo.push(() => database.stop());
    const connection = await createConnection(database.url, { autoIndex: false }).asPromise();
    undo.push(() => connection.close());
    const models = defineModels(connection);
    await models.User.create({ _id: ATTACKER, firstName: 'Mallory' });
    await models.Department.create({ _id: DEPARTMENT, name: 'Malice', members: [ATTACKER] });
    // The limit is a matter of its own; here it would hide what lies behind it.
    const gateway = await startGateway({ EVENT_LIMIT: '1000000', MONGODB_URL: database.url, ...env }, overrides);
    undo.push(() => gateway.close());
    const bystander = await connect(gateway, { claims: { uid: 'bystander' } });
    undo.push(() => bystander.close());
    stage = { gateway, models, expectUnharmed: createBarrier(gateway, bystander, faults) };
  });
  afterAll(async () => {
    for (const step of undo.splice(0).reverse()) await step();
    process.off('uncaughtException', noteFault);
    process.off('unhandledRejection', noteFault);
    expect(faults).toEqual([]);
  });
  return () => {
    if (stage === undefined) throw new Error('the stage is set in beforeAll');
    return stage;
  };
}

function createBarrier(gateway: TestGateway, bystander: TestClient, faults: readonly unknown[]): () => Promise<void> {
  let round = 0;
  return async () => {
    round += 1;
    const event = `still_here_${round}`;
    const [emitted, status] = await Promise.all([
      gateway.call('POST', `/emit/bystander/${event}`, { round }),
      gateway.call('GET', '/status'),
    ]);
    expect(emitted.json).toEqual({ success: true, message: 'SUCCESS', data: { sockets: 1 } });
    expect(status.json).toEqual({ success: true, message: 'General socket is running' });
    expect(await bystander.next(event)).toEqual([{ round }]);
    expect(faults).toEqual([]);
  };
}
