import { Types } from 'mongoose';
import { ensureUser, type Principal } from '../../auth/principal.js';

/** Whoever asks, as conversations know them. */
export interface Viewer {
  readonly userId: Types.ObjectId;
  readonly accountId: Types.ObjectId;
  /** The same as text, as it is on the wire. */
  readonly id: string;
  /** The socket that asks, which gets the answer and so need not be told. */
  readonly socketId: string;
}

/** The id of no document. */
const NOBODY = new Types.ObjectId('0'.repeat(24));

/**
 * The user of an event. Ids are opaque to the gateway, those of conversations are not: whoever has another kind of id is in
 * no conversation, and asks in vain for all of them.
 */
export function toViewer({ principal, socketId }: { principal: Principal; socketId: string }): Viewer {
  const { userId, accountId } = ensureUser(principal);
  const [user, account] = [userId, accountId].map(toObjectId);
  if (user === undefined || account === undefined) return { ...nobody, socketId };
  return { userId: user, accountId: account, id: user.toHexString(), socketId };
}

const nobody = { userId: NOBODY, accountId: NOBODY, id: NOBODY.toHexString() };

/** Whether a viewer can be in a conversation at all. */
export const isSomebody = ({ userId, accountId }: Viewer): boolean => userId !== NOBODY && accountId !== NOBODY;

const toObjectId = (id: string): Types.ObjectId | undefined =>
  /^[0-9a-f]{24}$/.test(id) ? new Types.ObjectId(id) : undefined;
