import type { TestUser } from '../../support/environment.js';
import type { Random } from '../../support/random.js';
import { attempt } from './ask.js';
import type { Connection } from './device.js';
import { elsewhere } from './elsewhere.js';
import type { Act, Play } from './play.js';
import { hear, take } from './team.js';

let lastText = 0;
const text = (): string => `text ${++lastText}`;

const somePeople = ({ random, scene }: Play): string[] =>
  scene.people.filter(() => random.chance(0.2)).map(({ id }: TestUser) => id);

/** A message that the client shows: mostly one of the last ones. */
function pickShown<M>({ random }: Play, messages: readonly M[] | undefined): M | undefined {
  const from = messages?.slice(-random.pick([1, 3, 100])) ?? [];
  return from.length === 0 ? undefined : random.pick(from);
}

/** The socket that sets a status is not told of it. */
async function setStatus(
  { user, team, shown }: Connection,
  status: string,
  event: string,
  data: object,
): Promise<void> {
  if ((await attempt(team, event, data)) !== undefined) shown.team.take((state) => hear(state, user.id, status));
}

const team: readonly (readonly [weight: number, act: Act])[] = [
  [
    6,
    async ({ team: client, shown }, play) => {
      const { random, scene } = play;
      const data = {
        conversation_id: random.pick(scene.team),
        data: text(),
        UUID: text(),
        mentions: random.chance(0.1) ? somePeople(play) : [],
      };
      const answer = await attempt(client, 'message', data);
      // It is not sent back to the socket that sent it.
      if (answer !== undefined) shown.team.take((state) => take(state, answer.message));
    },
  ],
  [
    3,
    async ({ team: client, shown }, play) => {
      const { random, scene } = play;
      const conversation_id = random.pick(scene.team);
      const message = random.chance(0.5) ? pickShown(play, shown.team.state?.messages.get(conversation_id)) : undefined;
      const data = { conversation_id, ...(message !== undefined && { message_id: message._id }) };
      if ((await attempt(client, 'read', data)) !== undefined) await shown.team.load();
    },
  ],
  ...(
    [
      ['archive', ({ random }: Play) => ({ archive: random.chance(0.4) })],
      ['show_on_top', ({ random }: Play) => ({ show_on_top: random.chance(0.5) })],
      ['open', ({ random }: Play) => ({ is_open: random.chance(0.5) })],
      ['edit_conversation', () => ({ title: text() })],
      ['add_participant', (play: Play) => ({ users: [play.random.pick(play.scene.people).id] })],
      [
        'snooze',
        ({ random }: Play) => {
          // The clock of a node is behind, so that a short snooze is over sooner or later.
          const ms = random.pick([1000, 200_000, 3_600_000]);
          return { until: random.chance(0.4) ? null : new Date(Date.now() + ms).toISOString() };
        },
      ],
    ] as const
  ).map(
    ([event, toData]) =>
      [
        1,
        ({ team: client }: Connection, play: Play) =>
          attempt(client, event, { conversation_id: play.random.pick(play.scene.team), ...toData(play) }),
      ] as const,
  ),
  [
    0.5,
    async ({ team: client }, play) => {
      const users = [play.random.pick(play.scene.people).id, ...somePeople(play)];
      const answer = await attempt(client, 'add_conversation', {
        users,
        channel_id: play.random.pick(['channel 0', 'c']),
      });
      if (answer !== undefined) play.scene.team.push(answer.conversation._id);
    },
  ],
  [
    1,
    (by, { random }) => {
      const status = random.pick(['active', 'away']);
      return setStatus(by, status, 'active_status', { status });
    },
  ],
  [0.5, (by) => setStatus(by, 'active', 'join', {})],
  [0.5, ({ team: client }) => attempt(client, 'channel', {})],
];

/** Nothing of typing comes from a conversation that was left. */
export const forget = (typing: Set<string>, place: string): void => {
  for (const one of typing) if (one.startsWith(place)) typing.delete(one);
};

const inSupport =
  (event: string, toData: (by: Connection, play: Play, conversationId: string) => object | undefined): Act =>
  async (by, play) => {
    const conversationId = play.random.pick(play.scene.support);
    const data = toData(by, play, conversationId);
    if (data !== undefined) await attempt(by.chat, event, { conversationId, ...data });
  };

const shownInSupport = (
  { shown }: Connection,
  play: Play,
  conversationId: string,
): { messageId: string } | undefined => {
  const message = pickShown(play, shown.support.state?.messages.get(conversationId));
  return message && { messageId: message._id };
};

const support: readonly (readonly [weight: number, act: Act])[] = [
  [5, inSupport('send_message', () => ({ content: text(), clientMessageId: text() }))],
  [
    2,
    inSupport('edit_message', (by, play, id) => {
      const shown = shownInSupport(by, play, id);
      return shown && { ...shown, content: text() };
    }),
  ],
  [1, inSupport('delete_message', shownInSupport)],
  [3, inSupport('mark_as_read', shownInSupport)],
  [1, inSupport('typing_start', () => ({}))],
  [0.5, inSupport('typing_stop', () => ({}))],
  [0.5, inSupport('join_conversation', () => ({}))],
  [
    0.5,
    async ({ chat, shown }, { random, scene }) => {
      const conversationId = random.pick(scene.support);
      await attempt(chat, 'leave_conversation', { conversationId });
      shown.support.take(({ typing }) => forget(typing, conversationId));
    },
  ],
  [1, inSupport('claim_conversation', () => ({}))],
  [1, inSupport('assign_conversation', (_by, { random, scene }) => ({ agentId: random.pick(scene.people).id }))],
  [0.3, inSupport('close_conversation', () => ({}))],
  [
    1,
    async ({ chat }, play) => {
      const { random, scene } = play;
      const departmentId = random.chance(0.5) ? scene.departmentId : undefined;
      const answer = await attempt(chat, 'create_conversation', { participants: somePeople(play), departmentId });
      if (answer !== undefined) scene.support.push(answer._id);
    },
  ],
];

const inCommunity =
  (event: string, toData: (by: Connection, play: Play, chatId: string) => object | undefined): Act =>
  async (by, play) => {
    const chatId = play.random.pick(play.scene.community);
    const data = toData(by, play, chatId);
    if (data !== undefined) await attempt(by.chat, event, { chatId, ...data });
  };

const shownInChat = ({ shown }: Connection, play: Play, chatId: string): { messageId: string } | undefined => {
  const message = pickShown(play, shown.community.state?.messages.get(chatId));
  return message && { messageId: message._id };
};

const community: readonly (readonly [weight: number, act: Act])[] = [
  [5, inCommunity('chat:send_message', () => ({ content: text(), clientMessageId: text() }))],
  [
    2,
    inCommunity('chat:edit_message', (by, play, id) => {
      const shown = shownInChat(by, play, id);
      return shown && { ...shown, content: text() };
    }),
  ],
  [1, inCommunity('chat:delete_message', shownInChat)],
  [
    3,
    inCommunity('chat:add_reaction', (by, play, id) => {
      const shown = shownInChat(by, play, id);
      return shown && { ...shown, emoji: play.random.pick(['👍', '🎉']) };
    }),
  ],
  [2, inCommunity('chat:pin_message', shownInChat)],
  [2, inCommunity('chat:unpin_message', shownInChat)],
  [3, inCommunity('chat:mark_read', (by, play, id) => (play.random.chance(0.5) ? {} : shownInChat(by, play, id)))],
  [1, inCommunity('chat:typing_start', () => ({}))],
  [0.5, inCommunity('chat:typing_stop', () => ({}))],
  [
    1,
    async ({ chat, shown }, { random, scene }) => {
      const chatId = random.pick(scene.community);
      await attempt(chat, 'chat:leave', { chatId });
      shown.community.take(({ typing }) => forget(typing, chatId));
    },
  ],
  [0.5, inCommunity('chat:join', () => ({}))],
  [0.5, ({ chat }) => attempt(chat, 'notification:mark_all_read', {})],
  [
    1,
    ({ chat }, { random }) =>
      attempt(chat, 'presence:update_status', { status: random.pick(['online', 'away', 'busy']) }),
  ],
];

const all = [...team, ...support, ...community, ...elsewhere];
const total = all.reduce((sum, [weight]) => sum + weight, 0);

/** Picks one of the acts by their weights. */
export function pickAct(random: Random): Act {
  let left = random.next() * total;
  for (const [weight, act] of all) {
    left -= weight;
    if (left < 0) return act;
  }
  return pickAct(random);
}
