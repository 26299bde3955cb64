import { Types } from 'mongoose';
import { ensureUser, type Principal } from '../../auth/principal.js';

/** The user of an event, in the terms of conversations. */
export interface Viewer {
  readonly userId: Types.ObjectId;
  readonly accountId: Types.ObjectId;
  /** The same id as text, for the wire. */
  readonly id: string;
  /** The calling socket. It gets the answer and no event. */
  readonly socketId: string;
  /** Who pays for the work. */
  readonly principal: Principal;
}

/** The id of no document. */
const NO_ID = new Types.ObjectId('0'.repeat(24));

/**
 * The user of an event. Ids are opaque to the gateway, but conversations need ObjectIds: a user with another kind of id is
 * a participant of no conversation.
 */
export function toViewer({ principal, socketId }: { principal: Principal; socketId: string }): Viewer {
  const { userId, accountId } = ensureUser(principal);
  const [user, account] = [userId, accountId].map(toObjectId);
  if (user === undefined || account === undefined) return { ...unknownViewer, socketId, principal };
  return { userId: user, accountId: account, id: user.toHexString(), socketId, principal };
}

const unknownViewer = { userId: NO_ID, accountId: NO_ID, id: NO_ID.toHexString() };

/** Whether a viewer can be a participant of any conversation. */
export const canParticipate = ({ userId, accountId }: Viewer): boolean => userId !== NO_ID && accountId !== NO_ID;

const toObjectId = (id: string): Types.ObjectId | undefined =>
  /^[0-9a-f]{24}$/.test(id) ? new Types.ObjectId(id) : undefined;
