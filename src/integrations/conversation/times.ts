import type { Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';

/* Times that other services leave out: what is known of them then. */

interface Dated {
  readonly _id: Types.ObjectId;
  readonly createdAt?: Date;
}

/** The creation time; taken from the id when the document has none. */
export const madeAt = ({ _id, createdAt }: Dated): Date => createdAt ?? _id.getTimestamp();

/** The time of the newest message, or else the creation time of the conversation. */
export const activeAt = (conversation: Conversation): Date => conversation.last_activity_at ?? madeAt(conversation);

/** The time of the last change of a conversation. */
export const changedAt = (conversation: Conversation): Date => conversation.updatedAt ?? activeAt(conversation);
