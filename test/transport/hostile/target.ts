import { afterAll, beforeAll, expect } from 'vitest';
import type { Models } from '#shared/models/index.js';
import type { Overrides } from '../../../src/app/base.js';
import { type ClientOptions, connect, type TestClient } from '../../support/client.js';
import { createTestEnvironment, type TestEnvironment } from '../../support/environment.js';
import type { TestGateway } from '../../support/gateway.js';

/** A gateway that receives malicious input, and a bystander that must not be affected. */
export interface Target {
  readonly gateway: TestGateway;
  /** The gateway's models, for preparing documents. */
  readonly models: Models;
  /**
   * Expects the process and other clients to be unaffected: an emit reaches the bystander, `/status` answers, and there was
   * no uncaught error.
   */
  expectUnharmed(): Promise<void>;
}

/** The attacker's id, for namespaces whose users must exist in the database. */
const ATTACKER = 'aaaaaaaaaaaaaaaaaaaaaaaa';

/** The attacker's department. */
const DEPARTMENT = 'dddddddddddddddddddddddd';

/** The attacker's credentials for a namespace. */
export const asAttacker = (namespace: string): ClientOptions => ({
  namespace,
  claims: { uid: ATTACKER },
  query: { departmentId: DEPARTMENT },
});

/** Starts a target for the tests of a file. @returns the target, once the tests run */
export function useTarget(env: Record<string, string> = {}, overrides: Overrides = {}): () => Target {
  const faults: unknown[] = [];
  const noteFault = (reason: unknown): void => void faults.push(reason);
  let target: Target | undefined;
  let environment: TestEnvironment | undefined;

  beforeAll(async () => {
    process.on('uncaughtException', noteFault);
    process.on('unhandledRejection', noteFault);
    // Event limits would hide other faults.
    environment = await createTestEnvironment({ env, overrides });
    const { models } = environment;
    const gateway = environment.node(0);
    await models.User.create({ _id: ATTACKER, firstName: 'Mallory' });
    await models.Department.create({ _id: DEPARTMENT, name: 'Malice', members: [ATTACKER] });
    const bystander = await connect(gateway, { claims: { uid: 'bystander' } });
    environment.defer(() => bystander.close());
    target = { gateway, models, expectUnharmed: createBarrier(gateway, bystander, faults) };
  });
  afterAll(async () => {
    await environment?.close();
    process.off('uncaughtException', noteFault);
    process.off('unhandledRejection', noteFault);
    expect(faults).toEqual([]);
  });
  return () => {
    if (target === undefined) throw new Error('the target is set in beforeAll');
    return target;
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
