import type { World } from './world.js';

/** Begins a fault. @returns how long it lasts, in milliseconds */
type Fault = (world: World) => number;

/** What can go wrong. Each ends by itself. */
const FAULTS: Readonly<Record<string, Fault>> = {
  /** Redis notices at once: the operating system closes the connections. */
  kill: (world) => world.killNode(world.between(1, 50)),
  /** Redis does not notice for long. */
  powerLoss: (world) => world.killNode(world.between(15_000, 35_000)),
  cut: (world) => onLink(world, (name) => world.network.cut(name), world.between(500, 25_000)),
  refuse: (world) => onLink(world, (name) => world.network.refuse(name), world.between(500, 25_000)),
  slow: (world) =>
    onLink(world, (name) => world.network.slow(name, world.between(50, 900)), world.between(5_000, 15_000)),
  reset: (world) => onLink(world, (name) => world.network.reset(name), 0),
  resetSome: (world) => onLink(world, (name) => world.network.reset(name, 0.4), 0),
  cutHalf: (world) => {
    const durationMs = world.between(1_000, 20_000);
    const half = world.nodes.filter(() => world.random() < 0.5);
    for (const { name } of half) world.network.cut(name);
    world.time.after(durationMs, () => {
      for (const { name } of half) world.network.heal(name);
    });
    return durationMs;
  },
  redisCrash: (world) => {
    const durationMs = world.between(300, 8_000);
    world.network.listen(undefined);
    world.redis.crash();
    world.redisForgot();
    world.time.after(durationMs, () => world.network.listen(world.redis.accept));
    return durationMs;
  },
  /** The others are quiet for a lease after the pause, so only what a read says of a lease tells that the users are gone. */
  killThenPause: (world) => {
    world.killNode(world.between(15_000, 35_000));
    const [afterMs, durationMs] = [world.between(3_000, 7_000), world.between(3_000, 5_000)];
    world.time.after(afterMs, () => world.redis.pause(durationMs));
    return afterMs + durationMs;
  },
  /** Only their nodes know that they have left. */
  leaveThenFlush: (world) => {
    world.killNode(world.between(1, 50));
    const afterMs = world.between(500, 3_000);
    for (const user of world.users.filter(({ isCalm }) => isCalm && world.random() < 0.3))
      for (const socket of [...user.sockets]) world.disconnect(user, socket);
    world.time.after(afterMs, () => {
      world.redis.command('FLUSHALL');
      world.redisForgot();
    });
    return afterMs;
  },
  redisPause: (world) => {
    const durationMs = world.between(200, 5_000);
    world.redis.pause(durationMs);
    return durationMs;
  },
  flush: (world) => {
    world.redis.command('FLUSHALL');
    world.redisForgot();
    return 0;
  },
  flushScripts: ({ redis }) => {
    redis.command('SCRIPT', 'FLUSH');
    return 0;
  },
  clockStep: (world) => {
    world.setSkew(world.pick(world.nodes).name);
    return 0;
  },
};

const NAMES = Object.keys(FAULTS);

/** Each round begins with one of these, so it ends a node. What holds the promises then is needed by few other faults. */
export const FIRST_FAULTS = ['kill', 'killThenPause', 'leaveThenFlush'];

/** Begins a random fault. @returns its name, and when it ends */
export function beginFault(world: World, names: readonly string[] = NAMES): { name: string; endsAt: number } {
  const name = world.pick(names);
  const durationMs = FAULTS[name]?.(world) ?? 0;
  return { name, endsAt: world.time.now + durationMs };
}

function onLink(world: World, begin: (name: string) => void, durationMs: number): number {
  const { name } = world.pick(world.nodes);
  begin(name);
  world.time.after(durationMs, () => world.network.heal(name));
  return durationMs;
}
