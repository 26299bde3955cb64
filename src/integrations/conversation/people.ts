import type { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { User } from '#shared/models/user.js';

/** The public fields of a user. */
export interface Person {
  readonly _id: string;
  readonly name: string;
  readonly email: string | null;
  readonly image: string | null;
  readonly conversation_active_status: 'active' | 'away';
}

const shownFields = { name: 1, firstName: 1, lastName: 1, email: 1, image: 1, conversation_active_status: 1 };

/** Reads users, each once. @returns a lookup by id; a missing user has only an id */
export async function readPeople(
  { User }: Pick<Models, 'User'>,
  ids: readonly Types.ObjectId[],
): Promise<(id: Types.ObjectId) => Person> {
  const unique = [...new Set(ids.map((id) => id.toHexString()))];
  const users = unique.length === 0 ? [] : await User.find({ _id: { $in: unique } }, shownFields).lean();
  const people = new Map(
    users.map((user): [string, Person] => {
      const { _id, email, image, conversation_active_status } = user;
      const id = String(_id);
      return [
        id,
        {
          _id: id,
          name: nameOf(user),
          email: email ?? null,
          image: image ?? null,
          conversation_active_status: conversation_active_status === 'active' ? 'active' : 'away',
        },
      ];
    }),
  );
  return (id) => people.get(id.toHexString()) ?? { ...unknown, _id: id.toHexString() };
}

/** The display name of a user in conversations: the name, or else first and last name. */
export const nameOf = ({ name, firstName, lastName }: Pick<User, 'name' | 'firstName' | 'lastName'>): string =>
  name || [firstName, lastName].filter(Boolean).join(' ');

const unknown = { name: '', email: null, image: null, conversation_active_status: 'away' } as const;
