import { conversation } from '#shared/contracts/conversation.js';
import { conversationNamespaces } from '#shared/contracts/namespaces.js';
import type { Context } from '../../framework/context.js';
import { mountEvents } from '../../framework/events.js';
import type { Integration, Resending } from '../../framework/integration.js';
import { chunksOf } from '../../platform/lists.js';
import type { UserServices } from '../users/index.js';
import { type ActiveStatus, createActiveStatus } from './active-status.js';
import { createHandlers } from './handlers.js';
import { createProspect } from './prospect/index.js';
import { type ConversationServices, createConversationServices } from './service.js';
import { createTyping } from './typing.js';

export { createCounterCheck } from './counters/check.js';

/** Team and prospect conversations, on `/v1/conversation` and `/v1/conversation/live`. */
export function createConversation(context: Context, { blocks }: UserServices): Integration[] {
  const services = createConversationServices(context, blocks);
  return [createTeamConversations(context, services), createProspect(context, services)];
}

/** With the counters of all kinds, and the statuses. */
function createTeamResending(
  { models }: Context,
  { team, counters }: ConversationServices,
  activeStatus: ActiveStatus,
): Resending {
  const { Counter, User } = models;
  const { collections, send } = team.resending;
  return {
    collections: [...collections, ...[Counter, User].map(({ collection }) => collection.collectionName)],
    async send(changes) {
      await send(changes);
      const counted = changes.of(Counter).map(({ id }) => id);
      for (const some of chunksOf(counted, COUNTERS_MAX)) await counters.sendAgain(some);
      const changed = changes.of(User).filter(({ fields }) => fields.has('conversation_active_status'));
      await activeStatus.sendAgain(changed.map(({ id }) => id));
    },
  };
}

/** Counters that are sent again together. */
const COUNTERS_MAX = 500;

const createTeamConversations = (context: Context, services: ConversationServices): Integration => {
  const activeStatus = createActiveStatus(context, services);
  const typing = createTyping(context, services);
  const { snoozes } = services.team;
  return {
    name: conversation.name,
    mounts: [
      mountEvents(conversation, createHandlers(context, { ...services, activeStatus, typing }), {
        namespaces: conversationNamespaces,
      }),
    ],
    listeners: [typing.listener],
    resending: createTeamResending(context, services, activeStatus),
    async onUsersOffline(users) {
      // They may be back on another node, where their client says itself that it is active.
      const present = await context.presence.presentAmong(users.map(({ userId }) => userId));
      const absent = users.filter(({ userId }) => !present.has(userId));
      await Promise.all(absent.map((user) => activeStatus.set(user, 'away')));
    },
    start() {
      const end = snoozes.start();
      return async () => {
        await Promise.all([activeStatus.flush(), typing.settle()]);
        await services.settling.stop();
        await end();
      };
    },
  };
};
