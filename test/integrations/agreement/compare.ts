import { expect } from 'vitest';
import type { TestEnvironment } from '../../support/environment.js';
import { countFresh, countUnread, numbersOf, ZERO } from '../conversation/counters/history.js';
import type { CommunityState } from './community.js';
import type { Connection } from './device.js';
import type { SupportState } from './support.js';
import type { TeamState } from './team.js';

const byId = <T extends { readonly _id: string }>(entries: readonly T[]): T[] =>
  entries.toSorted((one, other) => (one._id < other._id ? -1 : 1));

const sorted = <T>(map: ReadonlyMap<string, T>): (readonly [string, T])[] =>
  [...map].toSorted(([one], [other]) => (one < other ? -1 : 1));

/** What of a state a client shows, however it came to know it. */
const toTeam = ({ conversations, messages, counters }: TeamState) => {
  const own = byId(conversations);
  return {
    // Another time than that of the last message is not shown.
    conversations: own.map(({ updatedAt: _, users, ...conversation }) => ({
      ...conversation,
      users: users.map(({ _id, name }) => ({ _id, name })),
    })),
    messages: own.map(({ _id }) => [_id, (messages.get(_id) ?? []).map(({ data, sent_by }) => [data, sent_by._id])]),
    counters: sorted(counters)
      .map(([channel, one]) => [channel, one.counters] as const)
      .filter(([, numbers]) => Object.values(numbers).some((number) => number !== 0)),
  };
};

const toSupport = ({ userId, conversations, messages, reads, typing }: SupportState) => {
  const own = byId(conversations);
  const ids = new Set(own.map(({ _id }) => _id));
  return {
    // The last message is that of the messages.
    conversations: own.map(({ lastMessage: _, ...conversation }) => conversation),
    messages: own.map(({ _id }) => [_id, messages.get(_id) ?? []]),
    // The others are told how far a user has read.
    reads: sorted(reads).filter(([key]) => ids.has(key.split(' ')[0] ?? '') && !key.endsWith(userId)),
    typing: [...typing],
  };
};

const toCommunity = ({ chats, messages, reads, typing, unread }: CommunityState) => {
  const own = byId(chats);
  const withoutReads = <M extends object>(message: M) => ({ ...message, readBy: [] });
  return {
    chats: own.map(({ unreadCount: _, pinnedMessages, lastMessage: __, lastActivity: ___, ...chat }) => ({
      ...chat,
      pinned: pinnedMessages.toSorted(),
    })),
    messages: own.map(({ _id }) => [_id, (messages.get(_id) ?? []).map(withoutReads)]),
    reads: sorted(reads),
    typing: [...typing],
    unread,
  };
};

/** Entries of one map, as far as the other has them. */
const common = <T>(one: ReadonlyMap<string, T>, other: ReadonlyMap<string, T>) =>
  sorted(one).filter(([key]) => other.has(key));

function stateOf<S>({ state }: { readonly state: S | undefined }): S {
  if (state === undefined) throw new Error('nothing is loaded');
  return state;
}

/** Compares what a client shows with what one shows that has just connected. @throws AssertionError */
export function expectSame(connection: Connection, fresh: Connection, about: string): void {
  const [mine, theirs] = [connection.shown, fresh.shown];
  const [team, freshTeam] = [stateOf(mine.team), stateOf(theirs.team)];
  const [community, freshCommunity] = [stateOf(mine.community), stateOf(theirs.community)];
  expect(toTeam(team), about).toEqual(toTeam(freshTeam));
  expect(common(team.statuses, freshTeam.statuses), `${about}: who is active`).toEqual(
    common(freshTeam.statuses, team.statuses),
  );
  expect(toSupport(stateOf(mine.support)), about).toEqual(toSupport(stateOf(theirs.support)));
  expect(toCommunity(community), about).toEqual(toCommunity(freshCommunity));
  expect(common(community.statuses, freshCommunity.statuses), `${about}: statuses`).toEqual(
    common(freshCommunity.statuses, community.statuses),
  );
}

/** Compares who is online for a client with who is connected. @throws AssertionError */
export function expectPresence({ user, shown }: Connection, connected: ReadonlySet<string>, about: string): void {
  const others = [...connected].filter((id) => id !== user.id);
  expect([...(shown.presence.online ?? [])].toSorted(), `${about}: who is online`).toEqual(others.toSorted());
}

/** Compares what a client has heard of how far others have read with what is stored. @throws AssertionError */
export async function expectReads({ models }: TestEnvironment, { shown }: Connection, about: string): Promise<void> {
  for (const [key, messageId] of stateOf(shown.team).reads) {
    const [conversation = '', user = ''] = key.split(' ');
    const stored = await models.Member.findOne({ conversation, user }).lean();
    expect([key, messageId], `${about}: read`).toEqual([key, stored?.last_read?.toHexString() ?? null]);
  }
}

/** Compares the numbers that are stored and shown of a user with a count. @throws AssertionError */
export async function expectCounted({ models }: TestEnvironment, fresh: Connection, about: string): Promise<void> {
  const { user } = fresh;
  const members = await models.Member.find({ user: user.id }).lean();
  const stored = await models.Counter.find({ user: user.id }).lean();
  const counted = countFresh(members);
  for (const channel of new Set([...counted.keys(), ...stored.map(({ channel_id }) => channel_id)])) {
    const counter = stored.find(({ channel_id }) => channel_id === channel);
    expect(numbersOf(counter), `${about}: ${channel}`).toEqual(counted.get(channel) ?? ZERO);
  }
  for (const member of members) {
    expect(member.unread_count, `${about}: unread`).toBe(await countUnread({ models } as TestEnvironment, member));
  }
  const support = stateOf(fresh.shown.support);
  for (const { _id, lastMessage } of support.conversations) {
    expect(lastMessage, `${about}: last message`).toEqual(support.messages.get(_id)?.at(-1) ?? null);
  }
  const { chats, messages } = stateOf(fresh.shown.community);
  for (const { _id, unreadCount, lastMessage } of chats) {
    const all = messages.get(_id) ?? [];
    expect(lastMessage, `${about}: last message`).toEqual(all.at(-1) ?? null);
    const read = all.findLastIndex(({ readBy }) => readBy.some((one) => one.user === user.id));
    const unread = all.slice(read + 1).filter(({ sender, isDeleted }) => sender !== user.id && !isDeleted);
    expect([_id, unreadCount], `${about}: unread messages of a chat`).toEqual([_id, unread.length]);
  }
}
