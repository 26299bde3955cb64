import { expect, onTestFinished, test } from 'vitest';
import { createTestClock } from '../../../support/clock.js';
import { createTestEnvironment } from '../../../support/environment.js';
import { until } from '../../../support/until.js';
import { addDepartment, openDepartment } from './chat.js';

test('keeps a member who connects to another department while members are read', async () => {
  const clock = createTestClock();
  const environment = await createTestEnvironment({ proxyOptions: '', overrides: { clock } });
  onTestFinished(() => environment.close());
  const [joe, kim] = await environment.people('Joe', 'Kim');
  const [first, second] = [await addDepartment(environment, joe), await addDepartment(environment, kim)];
  await openDepartment(environment, joe, { departmentId: first });

  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let reads = 0;
  environment.proxy().rules = {
    async onCommand(command) {
      const isRead =
        command['find'] === 'support.departments' && 'members' in ((command['projection'] ?? {}) as object);
      if (!isRead || !JSON.stringify(command['filter']).includes('$in')) return undefined;
      reads += 1;
      await held;
      return undefined;
    },
  };
  clock.advance(5000);
  await until(() => reads === 1);
  const late = await openDepartment(environment, kim, { departmentId: second });
  release();
  // The next read begins when the first has been worked on.
  await clock.advanceUntil(5000, () => reads > 1);
  expect(await late.ask('refresh_token', {})).toMatchObject({ success: false });
  expect(late.socket.connected).toBe(true);
});
