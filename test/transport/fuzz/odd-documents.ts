import { createConnection, mongo, type Types } from 'mongoose';
import { defineModels, type Models } from '#shared/models/index.js';
import type { Random } from '../../support/random.js';
import { hostile } from './mutate.js';
import type { Circle } from './world.js';

const ODD_SHARE = 0.6;

/** Fields used for lookup or access control. They stay valid. */
const KEPT = new Set([
  '_id',
  '__v',
  'account',
  'users',
  'user',
  'participants',
  'conversation',
  'conversation_id',
  'conversationId',
  'chat',
  'recipient',
  'members',
  'contact_id',
  'kind',
  'status',
  'isActive',
  'blockedUntil',
  'access_token',
]);

/** Values of BSON types that JSON does not have. */
const TYPES: readonly (() => unknown)[] = [
  () => new Date('2020-01-01T00:00:00Z'),
  () => new Date(Number.MAX_SAFE_INTEGER / 2),
  () => new mongo.ObjectId(),
  () => new mongo.Binary(Buffer.from('bytes')),
  () => mongo.Long.MAX_VALUE,
  () => mongo.Decimal128.fromString('1E+6000'),
  () => Number.NaN,
  () => new mongo.BSONRegExp('(a+)+$'),
  () => new mongo.Timestamp({ t: 1, i: 1 }),
];

/**
 * Writes unexpected values into documents of a circle, bypassing Mongoose, as other services can. Its users keep their
 * access.
 */
export async function spoilDocuments(url: string, circle: Circle, random: Random): Promise<void> {
  const connection = await createConnection(url, { autoIndex: false }).asPromise();
  try {
    for (const [model, ids] of documentsOf(defineModels(connection), circle)) {
      const fields = [...new Set(Object.keys(model.schema.paths).map((path) => path.split('.')[0] ?? path))];
      const odd = fields.filter((field) => !KEPT.has(field));
      for (const _id of ids) {
        if (!random.chance(ODD_SHARE)) continue;
        const field = random.pick(odd);
        const value = random.chance(0.5) ? random.pick(TYPES)() : hostile(random);
        const change = random.chance(0.15) ? { $unset: { [field]: 1 } } : { $set: { [field]: value } };
        // An index or the database refuses some values. They cannot be stored, so no call reads them.
        await model.collection.updateOne({ _id: toId(_id) }, change).catch(() => undefined);
      }
    }
  } finally {
    await connection.close();
  }
}

const toId = (hex: string): Types.ObjectId => new mongo.ObjectId(hex);

type AnyModel = Pick<Models['User'], 'schema'> & { collection: Models['User']['collection'] };

function documentsOf(models: Models, circle: Circle): [AnyModel, readonly string[]][] {
  return [
    [models.User as AnyModel, circle.users],
    [models.Department as unknown as AnyModel, [circle.department]],
    [models.Contact as unknown as AnyModel, [circle.contact]],
    [models.Conversation as unknown as AnyModel, circle.team],
    [models.ConversationProspect as unknown as AnyModel, circle.prospects],
    [models.Message as unknown as AnyModel, circle.messages],
    [models.Communication as unknown as AnyModel, circle.communications],
    [models.SupportConversation as unknown as AnyModel, [...circle.support, circle.visited]],
    [models.SupportMessage as unknown as AnyModel, circle.supportMessages],
    [models.Chat as unknown as AnyModel, circle.chats],
    [models.ChatMessage as unknown as AnyModel, circle.chatMessages],
    [models.Notification as unknown as AnyModel, circle.notifications],
    [models.Member as unknown as AnyModel, circle.memberships],
  ];
}
