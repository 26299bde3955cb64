import type { Types } from 'mongoose';
import type { Conversation } from '#shared/models/conversation.js';

/* Times that other services leave out: what is known of them then. */

interface Dated {
  readonly _id: Types.ObjectId;
  readonly createdAt?: Date;
}

/** When something was made; the id knows, when the document does not say. */
export const madeAt = ({ _id, createdAt }: Dated): Date => createdAt ?? _id.getTimestamp();

/** When the newest message of a conversation was sent, or else when the conversation was made. */
export const activeAt = (conversation: Conversation): Date => conversation.last_activity_at ?? madeAt(conversation);

/** When a conversation was changed last. */
export const changedAt = (conversation: Conversation): Date => conversation.updatedAt ?? activeAt(conversation);
