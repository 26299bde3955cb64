import { expect, onTestFinished, test } from 'vitest';
import { startSentinels } from '../../support/redis-sentinel.js';
import { until } from '../../support/until.js';
import { createRouterCluster } from './routers.js';

/** The replica stands still, and is not sent what is written from now on. */
async function cutOff(sentinels: Awaited<ReturnType<typeof startSentinels>>) {
  const master = await sentinels.master();
  const replica = sentinels.servers.find((server) => server !== master);
  if (replica === undefined) throw new Error('there is no replica');
  replica.child.kill('SIGSTOP');
  await master.command('CLIENT', 'KILL', 'TYPE', 'REPLICA');
  return { master, replica };
}

test('what the replica did not have at a fail-over is registered again, or counted as lost until then', async () => {
  const sentinels = await startSentinels();
  onTestFinished(() => sentinels.dispose());
  const cluster = await createRouterCluster({ url: sentinels.url });
  onTestFinished(() => cluster.close());
  const [from, to] = [await cluster.start(), await cluster.start()];
  const hold = async (room: string): Promise<void> => {
    to.router.hold(room);
    await to.router.confirmed([room]);
  };
  await hold('user:early');
  const { master, replica } = await cutOff(sentinels);
  await hold('user:late');
  await master.kill();
  replica.child.kill('SIGCONT');

  // Each message arrives or is counted, whichever node is back first.
  const arrived = (): number => to.received.filter((text) => text === 'user:late').length;
  let sent = 0;
  await until(async () => {
    sent += 1;
    await from.sendNames(['user:late']);
    return arrived() > 0;
  });
  await cluster.settle();
  expect(await sentinels.master()).toBe(replica);
  expect(arrived() + from.lost()).toBeGreaterThanOrEqual(sent);

  const before = arrived();
  for (const user of ['user:early', 'user:late']) from.send(user, user);
  await cluster.settle();
  expect([to.received.at(-2), to.received.at(-1), arrived()]).toEqual(['user:early', 'user:late', before + 1]);
});
