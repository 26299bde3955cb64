import { integer, seconds } from '../values.js';

/** Limits of the support chat. */
export const supportChat = {
  MESSAGE_LIMIT: integer(1).default(50).describe('maximum messages of one user per minute in the support chat'),
  MAX_FILE_SIZE: integer(1, 104_857_600).default(10_485_760).describe('maximum file size of the support chat in bytes'),
  FILE_QUOTA: integer(0)
    .default(1_073_741_824)
    .describe('maximum bytes of all files of one user of the support chat; 0: unlimited'),
  UNSENT_FILE_TTL: seconds(60).default(86_400).describe('seconds an uploaded file is kept without being sent'),
  MESSAGE_BATCH_SIZE: integer(1, 1000)
    .optional()
    .describe('maximum messages of the support chat in one write; unset, as MESSAGE_BATCH_MS: no batching'),
  MESSAGE_BATCH_MS: integer(0, 1000)
    .optional()
    .describe('maximum time until a batch is written; if only one of the two is set: 10 messages or 100 ms'),
};
