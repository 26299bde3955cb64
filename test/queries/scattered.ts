import type { Row } from './report.js';

/** Why queries may go to every shard. */
export interface Scattered {
  readonly collection: string;
  /** The first field that bounds them in the index of each shard. */
  readonly by: string;
  /** Absent: reads. */
  readonly operations?: readonly string[];
  readonly kind: 'list' | 'lookup' | 'poll' | 'sweep' | 'administration';
  readonly reason: string;
}

const READS: readonly string[] = ['find', 'aggregate', 'distinct'];
const LISTS =
  'one bounded read of an index on each shard: as many as an unsharded collection serves, for any number of shards';

/** The queries that may go to every shard. No other may. */
export const SCATTERED: readonly Scattered[] = [
  { collection: 'conversation.members', by: 'user', kind: 'list', reason: LISTS },
  { collection: 'conversation.members', by: 'kind', kind: 'poll', reason: 'the next snooze that is over' },
  {
    collection: 'conversation.members',
    by: 'kind',
    operations: ['updateMany'],
    kind: 'poll',
    reason: 'snoozes that are over and of no user, when one is over',
  },
  { collection: 'conversations', by: 'users', kind: 'list', reason: `the search for participants; ${LISTS}` },
  { collection: 'support.conversations', by: 'participants', kind: 'list', reason: LISTS },
  { collection: 'support.conversations', by: 'assignedTo', kind: 'list', reason: LISTS },
  { collection: 'support.conversations', by: 'departmentId', kind: 'list', reason: LISTS },
  { collection: 'community.chats', by: 'participants', kind: 'list', reason: LISTS },
  {
    collection: 'community.chats',
    by: 'directKey',
    kind: 'lookup',
    reason: 'a direct chat of an earlier version, once for two people',
  },
  { collection: '_users', by: 'blockedUsers', kind: 'list', reason: `who has blocked a user; ${LISTS}` },
  { collection: '_users', by: 'joinedGroups.groupType', kind: 'list', reason: LISTS },
  { collection: '_users', by: 'isActive', kind: 'poll', reason: 'locked users' },
  { collection: '_users', by: 'name', kind: 'administration', reason: 'the search of the console' },
  { collection: '_users', by: 'firstName', kind: 'administration', reason: 'the search of the console' },
  { collection: '_users', by: 'lastName', kind: 'administration', reason: 'the search of the console' },
  { collection: 'sites.members', by: 'site', kind: 'lookup', reason: 'the members of a room are on all shards' },
  {
    collection: 'community.messages',
    by: '_id',
    kind: 'lookup',
    reason: 'a client may name a message without its chat',
  },
  {
    collection: 'community.notifications',
    by: 'relatedMessage',
    operations: [...READS, 'updateMany', 'deleteMany'],
    kind: 'lookup',
    reason: 'a message was edited or deleted',
  },
  {
    collection: 'delivery.log',
    by: '_id',
    kind: 'lookup',
    reason: 'a backend asks for the status of a message; a push asks once',
  },
  {
    collection: 'delivery.log',
    by: '_id',
    operations: ['updateMany', 'deleteMany'],
    kind: 'sweep',
    reason: 'entries that are over, up to 1,000 of many recipients',
  },
  {
    collection: 'delivery.log',
    by: '_id',
    operations: ['updateOne'],
    kind: 'lookup',
    reason: 'a push was sent, which costs a call of FCM',
  },
  { collection: 'delivery.log', by: 'createdAt', kind: 'poll', reason: 'entries whose notifications were lost' },
  { collection: 'delivery.log', by: 'checkAt', kind: 'sweep', reason: 'entries that are over' },
  { collection: 'delivery.mailboxes', by: 'devices.seenAt', kind: 'sweep', reason: 'devices that are gone' },
  { collection: 'delivery.pushes', by: 'dueAt', kind: 'poll', reason: 'pushes that are due' },
  { collection: 'socket.revocations', by: 'changedAt', kind: 'poll', reason: 'revocations of other nodes' },
  { collection: 'support.uploads', by: 'expiresAt', kind: 'sweep', reason: 'files that were never sent' },
  {
    collection: 'support.files.files',
    by: '',
    kind: 'administration',
    reason: 'the driver looks whether there are files',
  },
  {
    collection: 'sockets',
    by: 'socket_ids',
    operations: ['updateMany'],
    kind: 'administration',
    reason: 'entries that a crash has left, at a start',
  },
];

/** The entry that allows a query to go to every shard. */
export const permissionOf = ({ collection, access, choice: { bounds, indexes } }: Row): Scattered | undefined =>
  SCATTERED.find(
    ({ by, operations = READS, ...one }) =>
      one.collection === collection && by === firstOf(bounds, indexes) && operations.includes(access.operation),
  );

/** The first field of the index that serves a query. Of an `$or`, that of the branch which is not by id. */
function firstOf(bounds: string, indexes: readonly string[]): string {
  const firsts = bounds.split(' | ').map((branch) => branch.split(' ')[0] ?? '');
  const [first = ''] = firsts.filter((field, _, all) => all.length === 1 || field !== '_id');
  return first !== '' ? first : (/^(.+?)_-?1/.exec(indexes[0] ?? '')?.[1] ?? '');
}
