import { setTimeout as sleep } from 'node:timers/promises';
import type { TestClient } from '../../../support/client.js';
import type { TestEnvironment } from '../../../support/environment.js';
import { dataOf } from '../../../support/environment.js';
import type { ProxyRules } from '../../../support/mongo-proxy.js';
import type { Random } from '../../../support/random.js';
import { until } from '../../../support/until.js';
import type { ChatKind, Known, Person } from './chats.js';

/**
 * Delays commands and replies about messages, each by a time of its own: a slow database, in which commands overtake each
 * other. Nothing waits for these times.
 */
export const createDelays = (random: Random, longestMs: number): ProxyRules => {
  const isAboutMessages = (command: object): boolean =>
    /[".](?:support|community)\.messages"/.test(JSON.stringify(command));
  const delay = async (command: object): Promise<void> => {
    if (isAboutMessages(command) && random.chance(0.3)) await sleep(random.integer(longestMs));
  };
  return {
    async onCommand(command) {
      await delay(command);
      return undefined;
    },
    async onReply(reply, command) {
      await delay(command);
      return reply;
    },
  };
};

/** What one reader ends up with. */
interface Reader {
  readonly person: Person;
  /** In the order in which they came to be known. */
  readonly known: Known[];
  /** Events that one connection got twice. */
  readonly repeated: string[];
}

/** What a history leaves. */
export interface Outcome {
  readonly id: string;
  readonly readers: readonly Reader[];
  /** Contents that were acknowledged, by sender. */
  readonly said: ReadonlyMap<string, readonly string[]>;
}

/**
 * People speak at once through both nodes, and send some messages again; readers connect to either node, catch up, hear, and
 * lose the connection right upon a message. As the README has it, a reader's cursor is the last message it knows, and does
 * not move while it catches up.
 */
export async function runHistory(
  environment: TestEnvironment,
  kind: ChatKind,
  { random, speakers, messages }: { random: Random; speakers: number; messages: number },
): Promise<Outcome> {
  const people = await kind.people(environment, speakers);
  const id = await kind.make(environment, people);
  const readers = people.map((person): Reader => ({ person, known: [], repeated: [] }));
  let end = (): void => undefined;
  let isOver = false;
  const over = new Promise<void>((resolve) => {
    end = () => {
      isOver = true;
      resolve();
    };
  });

  const speak = async (person: Person): Promise<string[]> => {
    const clients = [await kind.open(environment, person, 0), await kind.open(environment, person, 1)];
    const said: string[] = [];
    for (let number = 0; number < messages; ) {
      // Several at once through one node, in order; some twice, and some again through the other node.
      const [client, other] = random.chance(0.5) ? clients : clients.toReversed();
      const burst = Math.min(1 + random.integer(3), messages - number);
      const contents = Array.from({ length: burst }, () => `${person.name}-${number++}`);
      const sayTo = async (via: TestClient | undefined, content: string): Promise<string> =>
        via === undefined ? '' : dataOf(await kind.say(via, id, { content, clientMessageId: content }))._id;
      const twice = contents.flatMap((content) => (random.chance(0.2) ? [content, content] : [content]));
      const answers = await Promise.all(twice.map(async (content) => [content, await sayTo(client, content)] as const));
      const ids = new Map(answers);
      if (answers.some(([content, messageId]) => ids.get(content) !== messageId)) throw new Error('stored twice');
      const [again = ''] = contents;
      if (random.chance(0.2) && (await sayTo(other, again)) !== ids.get(again)) throw new Error('stored twice');
      said.push(...contents);
      // Some go on at once, some when a reader knows what they said.
      const reader = readers[random.integer(2 * readers.length)];
      await until(() => reader === undefined || reader.known.some(({ content }) => content === said.at(-1)));
    }
    for (const client of clients) client.close();
    return said;
  };

  const read = async (reader: Reader): Promise<void> => {
    while (!isOver) await readOnce(environment, kind, { reader, id, random, over });
    await readOnce(environment, kind, { reader, id, random, over });
  };

  const reading = Promise.all(readers.map(read));
  const said = await Promise.all(people.map(async (person) => [person.id, await speak(person)] as const));
  end();
  await reading;
  return { id, readers, said: new Map(said) };
}

/** One connection of a reader: catches up, hears some messages, and is gone. */
async function readOnce(
  environment: TestEnvironment,
  kind: ChatKind,
  { reader, id, random, over }: { reader: Reader; id: string; random: Random; over: Promise<void> },
): Promise<void> {
  const node = random.integer(2);
  const client = await kind.open(environment, reader.person, node);
  const ids = new Set(reader.known.map((one) => one.id));
  const learn = (message: Known): void => {
    if (ids.has(message.id)) return;
    ids.add(message.id);
    reader.known.push(message);
  };
  await catchUp(environment, kind, { reader, client, node, id, limit: 1 + random.integer(10), learn });
  const heard = new Set<string>();
  for (let wanted = random.integer(8); wanted > 0; wanted -= 1) {
    const next = await nextOf(client, kind, over);
    if (next === undefined) break;
    if (heard.has(next.id)) reader.repeated.push(next.content);
    heard.add(next.id);
    learn(next);
  }
  client.close();
}

async function catchUp(
  environment: TestEnvironment,
  kind: ChatKind,
  walk: {
    reader: Reader;
    client: TestClient;
    node: number;
    id: string;
    limit: number;
    learn: (message: Known) => void;
  },
): Promise<void> {
  const { reader, client, node, id, limit, learn } = walk;
  for (;;) {
    const after = reader.known.at(-1)?.id;
    const page = await kind.catchUp(environment, { person: reader.person, client, node }, { id, after, limit });
    page.forEach(learn);
    if (page.length === 0) return;
  }
}

/** The next message that a client hears, unless the history is over before. */
async function nextOf(client: TestClient, kind: ChatKind, over: Promise<void>): Promise<Known | undefined> {
  const found = await Promise.race([client.next(kind.event), over]);
  return found === undefined ? undefined : kind.toKnown(found[0]);
}
