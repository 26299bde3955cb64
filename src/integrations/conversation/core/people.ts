import type { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';

/** A user, as far as others see them. */
export interface Person {
  readonly _id: string;
  readonly name: string;
  readonly email: string | null;
  readonly image: string | null;
  readonly conversation_active_status: 'active' | 'away';
}

const shownFields = { name: 1, email: 1, image: 1, conversation_active_status: 1 };

/** Reads users, each once. @returns finds one; a user who is no longer there has an id and nothing else */
export async function readPeople(
  { User }: Pick<Models, 'User'>,
  ids: readonly Types.ObjectId[],
): Promise<(id: Types.ObjectId) => Person> {
  const unique = [...new Set(ids.map((id) => id.toHexString()))];
  const users = unique.length === 0 ? [] : await User.find({ _id: { $in: unique } }, shownFields).lean();
  const people = new Map(
    users.map(({ _id, name, email, image, conversation_active_status }): [string, Person] => {
      const id = String(_id);
      return [
        id,
        {
          _id: id,
          name: textOr(name, ''),
          email: textOr(email, null),
          image: textOr(image, null),
          conversation_active_status: conversation_active_status === 'active' ? 'active' : 'away',
        },
      ];
    }),
  );
  return (id) => people.get(id.toHexString()) ?? { ...unknown, _id: id.toHexString() };
}

/** What another service has stored, if it is text. */
export const textOr = <T>(value: unknown, otherwise: T): string | T => (typeof value === 'string' ? value : otherwise);

const unknown = { name: '', email: null, image: null, conversation_active_status: 'away' } as const;
