import { chats } from '../chats.js';
import { defineExamples } from './example.js';
import { ADA, BEN } from './values.js';

export const chatsExamples = defineExamples(chats, {
  serverEvents: {
    user_online: { payload: { userId: BEN } },
    user_offline: { payload: { userId: BEN } },
    presence_snapshot: { payload: { online: [ADA, BEN] } },
  },
});
