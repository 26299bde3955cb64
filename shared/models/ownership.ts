/**
 * Collections of the platform: its other services fill them and decide about their indexes. The gateway uses what is there.
 * All other collections of the models are the gateway's own.
 */
export const platformCollections: ReadonlySet<string> = new Set([
  '_users',
  '_api.sessions',
  'crm.contacts',
  'fcm.tokens',
  'communications',
  'conversations',
  'conversation.prospects',
]);
