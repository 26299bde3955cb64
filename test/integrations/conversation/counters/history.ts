import { expect } from 'vitest';
import type { TestClient } from '../../../support/client.js';
import type { TestClock } from '../../../support/clock.js';
import { dataOf, type TestEnvironment, type TestUser } from '../../../support/environment.js';
import { createRandom } from '../../../support/random.js';
import { until } from '../../../support/until.js';

/** What a history runs on. */
export interface HistoryEnvironment {
  readonly environment: TestEnvironment;
  readonly clock: TestClock;
}

type Numbers = Record<'open' | 'unread' | 'closed' | 'priority' | 'snoozed', number>;

/** A user with a socket on each node. */
interface Actor {
  readonly user: TestUser;
  readonly clients: readonly TestClient[];
  /** What the pushes have said so far: by channel, the numbers of the highest version. */
  readonly told: Map<string, { version: number; counters: Numbers }>;
}

const CHANNELS = ['sales', 'support'];

/**
 * Runs a random history of several users on all nodes at once, and after every act compares, for each user and channel,
 * what was pushed, what is stored, and what a count of the database finds.
 */
export async function runHistory(
  { environment, clock }: HistoryEnvironment,
  { seed, acts }: { seed: number; acts: number },
): Promise<void> {
  const random = createRandom(seed);
  const { pick } = random;
  const actors: Actor[] = [];
  for (const user of await environment.people('Ann', 'Bob', 'Cid', 'Dan')) {
    const exp = Math.floor(clock.now() / 1000) + 10_000_000;
    const claims = { uid: user.id, account_id: user.accountId, exp };
    const clients = await Promise.all(environment.nodes.map((_, node) => environment.open(user, { node, claims })));
    const told: Actor['told'] = new Map();
    for (const { socket } of clients) {
      socket.on('counters', ({ channel_id, counters, version }) => {
        if (version > (told.get(channel_id)?.version ?? 0)) told.set(channel_id, { version, counters });
      });
    }
    actors.push({ user, clients, told });
  }
  const [first] = actors;
  if (first === undefined) throw new Error('no participant');
  const contact = await environment.models.Contact.create({ account: first.user.accountId, name: 'Carla' });
  const conversations: { id: string; isProspect: boolean }[] = [];
  const messages: string[] = [];

  const others = (): string[] => actors.filter(() => random.chance(0.5)).map(({ user }) => user.id);

  const create = async (client: TestClient): Promise<void> => {
    const users = [pick(actors).user.id, ...others()];
    if (random.chance(0.3)) {
      const data = { contact_id: String(contact._id), channel_id: pick(CHANNELS), users };
      await client.ask('prospect_add_conversation', data);
      const found = await environment.models.ConversationProspect.findOne({ contact_id: contact._id })
        .sort({ _id: -1 })
        .lean();
      if (found !== null) conversations.push({ id: String(found._id), isProspect: true });
      return;
    }
    const { conversation } = dataOf(await client.ask('add_conversation', { users, channel_id: pick(CHANNELS) }));
    conversations.push({ id: conversation._id, isProspect: false });
  };

  /** Something one user does, allowed or not. */
  const doSomething = async (): Promise<void> => {
    const client = pick(pick(actors).clients);
    const { id: conversation_id, isProspect } = pick(conversations);
    const ask = (event: string, data: object = {}) =>
      client.ask(isProspect ? `prospect_${event}` : event, { conversation_id, ...data });
    const kind = random.next();
    if (kind < 0.06) await create(client);
    else if (kind < 0.4) {
      const mentions = random.chance(0.3) ? [pick(actors).user.id] : [];
      const answer = isProspect
        ? await ask('add_note', { data: 'note' })
        : await ask('message', {
            data: 'text',
            mentions,
            ...(random.chance(0.2) && { UUID: `u${random.integer(5)}` }),
          });
      if (answer.success) messages.push(answer.data.message._id);
    } else if (kind < 0.55)
      await ask('read', random.chance(0.5) && messages.length > 0 ? { message_id: pick(messages) } : {});
    else if (kind < 0.65) {
      const in5Minutes = new Date(clock.now() + 300_000 * random.next() + 1000).toISOString();
      await ask('snooze', { until: random.chance(0.2) ? null : in5Minutes });
    } else if (kind < 0.73) await ask('archive', { archive: random.chance(0.5) });
    else if (kind < 0.83) await ask('open', { is_open: random.chance(0.5) });
    else if (kind < 0.91) await ask('show_on_top', { show_on_top: random.chance(0.5) });
    else if (kind < 0.96) await ask('add_participant', { users: [pick(actors).user.id] });
    else
      await client.ask(
        'channel',
        random.chance(0.5) ? {} : { channel_id: pick([...CHANNELS, 'you', 'mentions', 'prospect']) },
      );
  };

  await create(pick(first.clients));
  for (let act = 0; act < acts; act += 1) {
    await Promise.all(Array.from({ length: 1 + random.integer(4) }, doSomething));
    if (random.chance(0.2)) {
      clock.advance(random.integer(200_000));
      await until(async () => (await environment.models.Member.countDocuments(due(clock))) === 0);
    }
    await compare(environment, actors, `seed ${seed}, act ${act}`);
  }
  for (const { clients } of actors) for (const client of clients) client.close();
}

const due = (clock: TestClock) => ({ snoozed_until: { $gt: new Date(0), $lte: new Date(clock.now()) } });

async function compare(environment: TestEnvironment, actors: readonly Actor[], where: string): Promise<void> {
  for (const { user, told } of actors) {
    const members = await environment.models.Member.find({ user: user.id }).lean();
    const stored = await environment.models.Counter.find({ user: user.id }).lean();
    const fresh = countFresh(members);
    for (const channel of new Set([...fresh.keys(), ...stored.map(({ channel_id }) => channel_id)])) {
      const counter = stored.find(({ channel_id }) => channel_id === channel);
      const counted = fresh.get(channel) ?? ZERO;
      expect(numbersOf(counter), `${where}: stored numbers of ${channel}`).toEqual(counted);
      await until(() => (told.get(channel)?.version ?? 0) >= (counter?.version ?? 0));
      expect(told.get(channel)?.counters ?? ZERO, `${where}: pushed numbers of ${channel}`).toEqual(counted);
    }
    for (const member of members) {
      expect(member.unread_count, `${where}: unread messages`).toBe(await countUnread(environment, member));
    }
  }
}

export const ZERO: Numbers = { open: 0, unread: 0, closed: 0, priority: 0, snoozed: 0 };

export const numbersOf = (counter: Partial<Numbers> | undefined): Numbers => ({
  open: counter?.open ?? 0,
  unread: counter?.unread ?? 0,
  closed: counter?.closed ?? 0,
  priority: counter?.priority ?? 0,
  snoozed: counter?.snoozed ?? 0,
});

type Member = Awaited<ReturnType<TestEnvironment['models']['Member']['find']>>[number];
type Counted = Pick<
  Member,
  'channel_id' | 'kind' | 'mentioned' | 'archived' | 'is_open' | 'unread_count' | 'show_on_top' | 'snoozed_until'
>;

/** The counters as the specification words them. */
export function countFresh(members: readonly Counted[]): Map<string, Numbers> {
  const byChannel = new Map<string, Numbers>();
  for (const member of members) {
    const isSnoozed = member.snoozed_until !== null;
    const channels = [member.channel_id, 'you'];
    if (member.mentioned) channels.push('mentions');
    if (member.kind === 'prospect') channels.push('prospect');
    for (const channel of channels) {
      const numbers = byChannel.get(channel) ?? { ...ZERO };
      byChannel.set(channel, numbers);
      if (member.archived) continue;
      if (member.is_open && !isSnoozed) numbers.open += 1;
      if (member.unread_count > 0) numbers.unread += 1;
      if (!member.is_open) numbers.closed += 1;
      if (member.show_on_top) numbers.priority += 1;
      if (isSnoozed) numbers.snoozed += 1;
    }
  }
  return byChannel;
}

/** Messages of others after the last read one; for a later participant, after the newest when they joined. */
export async function countUnread(
  { models }: TestEnvironment,
  {
    kind,
    conversation,
    user,
    last_read,
    last_read_at,
  }: Pick<Member, 'kind' | 'conversation' | 'user' | 'last_read' | 'last_read_at'>,
): Promise<number> {
  const filter = {
    conversation_id: conversation,
    sent_by: { $ne: user },
    ...(last_read_at === null
      ? {}
      : { $or: [{ createdAt: { $gt: last_read_at } }, { createdAt: last_read_at, _id: { $gt: last_read } }] }),
  };
  return kind === 'team' ? models.Message.countDocuments(filter) : models.Communication.countDocuments(filter);
}
