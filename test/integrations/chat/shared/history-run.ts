import { expect } from 'vitest';
import type { TestEnvironment } from '../../../support/environment.js';
import { createRandom } from '../../../support/random.js';
import { chatKinds } from './chats.js';
import { createDelays, runHistory } from './history.js';

/** Runs a random history in each chat, and compares what readers ended up with to what is stored. */
export async function expectOneOrder(
  environment: TestEnvironment,
  { seed, speakers, messages, longestMs }: { seed: number; speakers: number; messages: number; longestMs: number },
): Promise<void> {
  const random = createRandom(seed);
  for (const kind of chatKinds) {
    const what = `${kind.name}, seed ${seed}`;
    for (const proxy of environment.proxies) proxy.rules = createDelays(random, longestMs);
    const { id, readers, said } = await runHistory(environment, kind, { random, speakers, messages });
    for (const proxy of environment.proxies) proxy.rules = {};

    const { person } = readers[0] ?? expect.fail('no readers');
    const client = await kind.open(environment, person, 0);
    const stored = await kind.catchUp(environment, { person, client, node: 0 }, { id, after: undefined, limit: 100 });
    while (true) {
      const after = stored.at(-1)?.id;
      const page = await kind.catchUp(environment, { person, client, node: 0 }, { id, after, limit: 100 });
      if (page.length === 0) break;
      stored.push(...page);
    }
    client.close();
    const contents = stored.map(({ content }) => content);

    expect(contents.toSorted(), what).toEqual([...said.values()].flat().toSorted());
    for (const [sender, own] of said) {
      expect(
        stored.filter((one) => one.sender === sender).map(({ content }) => content),
        what,
      ).toEqual(own);
    }
    const times = stored.map(({ at }) => at);
    expect(times, what).toEqual(times.toSorted());
    expect(new Set(times).size, what).toBe(times.length);
    for (const reader of readers) {
      expect(
        reader.known.map(({ content }) => content),
        `${what}, ${reader.person.name}`,
      ).toEqual(contents);
      expect(reader.repeated, what).toEqual([]);
    }

    for (const reader of readers) {
      const own = await kind.open(environment, reader.person, 1);
      const other = await kind.open(environment, reader.person, 0);
      // Two tabs on two nodes: the further one counts.
      const marks = [own, other].map((tab) => ({ tab, index: random.integer(stored.length) }));
      await Promise.all(marks.map(({ tab, index }) => kind.markRead(tab, id, stored[index]?.id ?? '')));
      const furthest = Math.max(...marks.map(({ index }) => index));
      const unread = stored.slice(furthest + 1).filter(({ sender }) => sender !== reader.person.id).length;
      expect(await kind.unread(environment, reader.person, id), what).toBe(Math.min(unread, kind.unreadMax));
      own.close();
      other.close();
    }
    expect(await kind.lastMessage(environment, person, id), what).toBe(stored.at(-1)?.id);
  }
}
