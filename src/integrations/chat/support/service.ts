import { support } from '#shared/contracts/support.js';
import type { Context } from '../../../framework/context.js';
import { createSettling } from '../../../platform/concurrency/settling.js';
import type { ChatServices } from '../shared/index.js';
import { createAccess } from './access.js';
import { createAssignment } from './assignment.js';
import { createConversations } from './conversations.js';
import { createCreation } from './creation.js';
import { createFileStore } from './file-store.js';
import { createFiles } from './files.js';
import { createLastMessages } from './last-messages.js';
import { createFindSaid, createSupportLog } from './log.js';
import { createMessages } from './messages.js';
import { createMeter } from './meter.js';
import { createPublisher } from './publisher.js';
import { createReads } from './reads.js';
import { createRoom } from './room.js';
import { createSend } from './send.js';
import { createStates } from './states.js';
import { createConversationTyping } from './typing.js';

const { limit: uploads } = support.clientEvents.file_upload;

/** The services of the support chat, used by events and routes. */
export type SupportServices = ReturnType<typeof createSupportServices>;

/** To be called once for a node: typing, the order of messages and what is known of access are kept in memory. */
export function createSupportServices(context: Context, { authentication, people, blocks, callers }: ChatServices) {
  const { models, clock, steadyClock, logger, emitter, limiter, work } = context;
  const { messageLimit, fileMaxBytes, fileQuotaBytes, unsentFileTtlMs } = context.config.support;
  const { turnWaitMs } = context.config.sockets;
  const access = createAccess({ models, callers, blocks, clock: steadyClock });
  const publisher = createPublisher(emitter);
  const log = createSupportLog(context, access);
  const findStored = createFindSaid(models);
  const files = createFileStore({ models, clock, logger, quotaBytes: fileQuotaBytes, unsentTtlMs: unsentFileTtlMs });
  const settling = createSettling(context);
  const reads = createReads({ models, access, publisher, log, work, clock, settling });
  const states = createStates({ models, access, publisher, settling });
  const lastMessages = createLastMessages({ models, log, settling, logger });
  const send = createSend({
    access,
    log,
    findStored,
    lastMessages,
    meter: createMeter(limiter, 'support:message', messageLimit),
    work,
    settling,
    clock,
    turnWaitMs,
  });

  return {
    access,
    publisher,
    log,
    reads,
    states,
    lastMessages,
    send,
    room: createRoom({ access, publisher, work, clock }),
    typing: createConversationTyping({ ...context, access, publisher }),
    settling,
    messages: createMessages({ models, access, publisher, log, reads, files, work, clock, settling, turnWaitMs }),
    create: createCreation({ models, authentication, people, blocks, access, publisher, states, work, clock }),
    conversations: createConversations({ models, authentication, access, work }),
    assignment: createAssignment({ models, people, blocks, access, publisher, work, clock, states, settling }),
    files: createFiles({
      findStored,
      access,
      authentication,
      meter: createMeter(limiter, uploads.name, uploads),
      work,
      store: files,
      send,
      sizeMax: fileMaxBytes,
    }),
    fileStore: files,
  };
}
