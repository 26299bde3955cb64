import { isObjectIdOrHexString, type Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { nameOf } from '../shared/index.js';
import type { UserSummary } from './to-wire.js';

/** Reads the public fields of users. */
export interface UserSummaries {
  /** Without unknown users. */
  read(ids: readonly Types.ObjectId[]): Promise<Map<string, UserSummary>>;
}

const shownFields = { name: 1, firstName: 1, lastName: 1, image: 1 } as const;

/** Shows also users without access: their messages stay in chats. */
export const createUserSummaries = ({ User }: Pick<Models, 'User'>): UserSummaries => ({
  async read(ids) {
    const unique = [...new Set(ids.filter((id) => isObjectIdOrHexString(id)).map(String))];
    if (unique.length === 0) return new Map();
    const found = await User.find({ _id: { $in: unique } }, shownFields).lean();
    return new Map(
      found.map((user) => {
        const { _id, image } = user;
        // Other services write users too; an image can have any type.
        return [_id.toHexString(), { name: nameOf(user), image: typeof image === 'string' ? image : null }] as const;
      }),
    );
  },
});
