import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

/** The groups of the community. */
export const groupTypes = ['single', 'marriage', 'healing', 'motherhood'] as const;

/** What a user may do in the support chat. */
const userRoles = ['user', 'agent', 'admin'] as const;

/** The status that an online user chose, shown to users who share a chat or group. */
const presenceStatuses = ['online', 'away', 'busy'] as const;

const { ObjectId } = Schema.Types;

const schema = new Schema(
  {
    account: { type: ObjectId, index: true },
    name: String,
    firstName: String,
    lastName: String,
    email: String,
    image: String,
    conversation_active_status: { type: String, enum: ['active', 'away'] },
    role: { type: String, enum: userRoles },
    /** The status of the account, in the platform's words; see `canAccess`. */
    status: String,
    isActive: Boolean,
    /** Blocked until then. */
    blockedUntil: Date,
    /** Users that this user has blocked. */
    blockedUsers: { type: [ObjectId], default: undefined },
    joinedGroups: {
      type: [{ _id: false, groupType: { type: String, enum: groupTypes }, joinedAt: Date, isAdmin: Boolean }],
      default: undefined,
    },
    departments: { type: [ObjectId], default: undefined },
    presenceStatus: { type: String, enum: presenceStatuses },
    lastSeen: Date,
  },
  { collection: '_users', timestamps: true },
);
schema.index({ 'joinedGroups.groupType': 1, lastSeen: -1 });
schema.index({ blockedUsers: 1 }, { sparse: true });
// For the search of users who may be locked.
schema.index({ isActive: 1 }, { sparse: true });
schema.index({ status: 1 }, { sparse: true });
schema.index({ blockedUntil: 1 }, { sparse: true });

/** For the search by name: neither case nor accents count. */
export const NAME_COLLATION = { locale: 'en', strength: 1 } as const;

/** The indexes of the search by name. Hints name them: a search without them would read the whole collection. */
export const nameIndexes = {
  name: 'search_name',
  firstName: 'search_first_name',
  lastName: 'search_last_name',
} as const;

const ofNames = { sparse: true, collation: NAME_COLLATION };
schema.index({ name: 1 }, { name: nameIndexes.name, ...ofNames });
schema.index({ firstName: 1, lastName: 1 }, { name: nameIndexes.firstName, ...ofNames });
schema.index({ lastName: 1 }, { name: nameIndexes.lastName, ...ofNames });

/** A user of the platform. Other services write this collection too, so anything may be missing. */
export type User = InferSchemaType<typeof schema>;

/** The model on one connection. */
export const defineUser = (connection: Connection): Model<User> => connection.model<User>('User', schema);
