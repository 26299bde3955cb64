import { isObjectIdOrHexString, type Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { nameOf } from '../shared/index.js';
import type { Face } from './to-wire.js';

/** How people look to others. */
export interface Faces {
  /** Unknown ones are missing. */
  read(ids: readonly Types.ObjectId[]): Promise<Map<string, Face>>;
}

const shownFields = { name: 1, firstName: 1, lastName: 1, image: 1 } as const;

export const createFaces = ({ User }: Pick<Models, 'User'>): Faces => ({
  async read(ids) {
    const unique = [...new Set(ids.filter((id) => isObjectIdOrHexString(id)).map(String))];
    if (unique.length === 0) return new Map();
    const found = await User.find({ _id: { $in: unique } }, shownFields).lean();
    return new Map(
      found.map((user) => {
        const { _id, image } = user;
        // Other services write users too, and an image may be anything.
        return [_id.toHexString(), { name: nameOf(user), image: typeof image === 'string' ? image : null }] as const;
      }),
    );
  },
});
