/** How a collection is distributed over the shards of a cluster. */
export interface ShardKey {
  /** The field of the key. One field, because the documents with one value never outgrow a chunk. */
  readonly field: string;
  /**
   * `hashed` spreads what is stored next to each other, but allows no unique index except that of `_id`. `range` is for
   * collections with other unique indexes, which begin with the field.
   */
  readonly kind: 'hashed' | 'range';
  /** Why this field. */
  readonly why: string;
}

/** A collection that stays on one shard. */
export interface Unsharded {
  readonly field?: undefined;
  /** Why it stays whole. */
  readonly why: string;
}

const hashed = (field: string, why: string): ShardKey => ({ field, kind: 'hashed', why });
const range = (field: string, why: string): ShardKey => ({ field, kind: 'range', why });
const unsharded = (why: string): Unsharded => ({ why });

/**
 * The shard key of each collection. `npm run indexes -- --shard` prints it as commands, and the test of the queries holds
 * that a cluster with these keys refuses no query, and which queries go to every shard.
 */
export const shardKeys: Readonly<Record<string, ShardKey | Unsharded>> = {
  'delivery.log': range('recipient', 'each message is stored, read and acknowledged in the log of its recipient'),
  'delivery.mailboxes': hashed('_id', 'the id is the recipient'),
  'delivery.keys': hashed('_id', 'the id is the idempotency key'),
  'delivery.pushes': hashed('_id', 'the id is the message'),
  'delivery.nodes': unsharded('one document for each node'),
  'conversation.messages': range('conversation_id', 'messages are stored and read by conversation'),
  'conversation.members': range(
    'conversation',
    'a message changes all members of its conversation in one transaction, so they are on one shard',
  ),
  'conversation.counters': range('user', 'the counters of a user are read and written together'),
  'support.conversations': hashed('_id', 'a message changes one conversation, by its id'),
  'support.messages': range('conversationId', 'messages are stored and read by conversation'),
  'support.reads': range('conversationId', 'who has read what is read by conversation'),
  'support.uploads': hashed('_id', 'the id is the file'),
  'support.usage': hashed('_id', 'the id is the owner of the files'),
  'support.files.files': hashed('_id', 'the id is the file'),
  'support.files.chunks': range('files_id', 'a file is read and deleted as a whole'),
  'support.departments': unsharded('few documents, read for every list'),
  'community.chats': hashed('_id', 'a message changes one chat, by its id'),
  'community.pairs': hashed('_id', 'the id is the pair of users'),
  'community.messages': range('chat', 'messages are stored and read by chat'),
  'community.notifications': range('recipient', 'notifications are listed and counted by recipient'),
  'sites.members': hashed('_id', 'the id is the user of a site'),
  'socket.revocations': hashed('_id', 'the id is what was revoked: a user, a token or a session'),
  sockets: range('user', 'the sockets of a user are one document'),
  _users: hashed('_id', 'users are read by their ids'),
  '_api.sessions': hashed('_id', 'sessions are read by their ids'),
  'crm.contacts': hashed('_id', 'contacts are read by their ids'),
  'fcm.tokens': range('user_id', 'tokens are read by user'),
  conversations: hashed('_id', 'conversations are read and changed by their ids'),
  'conversation.prospects': hashed('_id', 'conversations are read and changed by their ids'),
  communications: unsharded('`conversation_id` is an array, which cannot be a shard key'),
};
