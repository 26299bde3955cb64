import type { Context } from '../../realtime/context.js';
import type { ChatServices } from '../chats/index.js';
import { createAccess } from './access.js';
import { createAnnounce } from './announce.js';
import { createAssignment } from './assignment.js';
import { createConversations } from './conversations.js';
import { createFileStore } from './file-store.js';
import { createFiles } from './files.js';
import { createMessageStore } from './message-store.js';
import { createMessages } from './messages.js';
import { createNewest } from './newest.js';
import { createReads } from './reads.js';
import { createRoom } from './room.js';
import { createSend } from './send.js';
import { createConversationTyping } from './typing.js';

/** What can be done in the support chat, over sockets and over REST alike. */
export type SupportServices = ReturnType<typeof createSupportServices>;

export function createSupportServices(context: Context, { entrance, people }: ChatServices) {
  const { models, clock, logger, emitter, limiter } = context;
  const { messageLimit, fileMaxBytes, fileQuotaBytes, unsentFileTtlMs, messageBatch } = context.config.support;
  const access = createAccess({ models, entrance });
  const announce = createAnnounce(emitter);
  const store = createMessageStore({ models, clock, batch: messageBatch });
  const files = createFileStore({ models, clock, logger, quotaBytes: fileQuotaBytes, unsentTtlMs: unsentFileTtlMs });
  const reads = createReads({ models, access, announce, clock });
  const newest = createNewest({ models, logger });
  const send = createSend({ access, announce, store, newest, limiter, limit: messageLimit, clock });

  return {
    access,
    announce,
    store,
    reads,
    send,
    room: createRoom({ access, announce, clock }),
    typing: createConversationTyping({ access, announce, clock, logger }),
    messages: createMessages({ models, access, announce, reads, files, clock }),
    conversations: createConversations({ models, entrance, people, access, announce, clock }),
    assignment: createAssignment({ models, people, access, announce, clock }),
    files: createFiles({ models, access, entrance, store: files, send, sizeMax: fileMaxBytes }),
    fileStore: files,
  };
}
