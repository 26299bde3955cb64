import { type Connection, type InferSchemaType, type Model, Schema } from 'mongoose';

/** The groups of the community. */
export const groupTypes = ['single', 'marriage', 'healing', 'motherhood'] as const;

/** What a user may do in the support chat. */
export const userRoles = ['user', 'agent', 'admin'] as const;

/** How somebody who is online wants to be seen by those who share a chat or a group with them. */
export const presenceStatuses = ['online', 'away', 'busy'] as const;

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
    /** Of the account: whatever the platform calls its states; see `canAccess` of the chats. */
    status: String,
    isActive: Boolean,
    /** Locked out until then. */
    blockedUntil: Date,
    /** Whom this user does not want to hear of. */
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

/** A user of the platform. Other services write this collection too, so anything may be missing. */
export type User = InferSchemaType<typeof schema>;

/** The model on one connection. */
export const defineUser = (connection: Connection): Model<User> => connection.model<User>('User', schema);
