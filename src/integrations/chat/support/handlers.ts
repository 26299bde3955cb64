import type { support } from '#shared/contracts/support.js';
import type { Handlers } from '../../../framework/events.js';
import type { SupportServices } from './service.js';

/** The events of the support contract. */
export const createHandlers = (services: SupportServices): Handlers<typeof support> => {
  const { room, send, typing, messages, reads, create, conversations, assignment, files } = services;
  return {
    join_conversation: (data, { principal, enter }) => room.join(principal, idOf(data), enter),
    leave_conversation: async (data, call) => {
      typing.stop(call, idOf(data));
      await room.leave(call.principal, idOf(data), call.leave);
    },
    send_message: async (data, call) => {
      const message = await send(call.principal, data, (id) => call.send({ event: 'message_delivered', payload: id }));
      typing.stop(call, data.conversationId);
      return message;
    },
    typing_start: ({ conversationId }, call) => typing.start(call, conversationId),
    typing_stop: async ({ conversationId }, call) => typing.stop(call, conversationId),
    file_upload: ([content, meta], { principal }) => files.upload(principal, content, meta ?? undefined),
    mark_as_read: (data, { principal }) => reads.mark(principal, data),
    edit_message: (data, { principal }) => messages.edit(principal, data),
    delete_message: (data, { principal }) => messages.remove(principal, data),
    get_messages: (data, { principal }) => messages.list(principal, data),
    create_conversation: (data, { principal }) => create(principal, data),
    get_conversations: (data, { principal }) => conversations.list(principal, data),
    assign_conversation: (data, { principal }) => assignment.assign(principal, data),
    claim_conversation: (data, { principal }) => assignment.claim(principal, data),
    close_conversation: (data, { principal }) => assignment.close(principal, data),
  };
};

/** The original joins by an object and by the bare id. */
const idOf = (data: string | { conversationId: string }): string =>
  typeof data === 'string' ? data : data.conversationId;
