import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import type { User } from '#shared/models/user.js';
import { readStored } from '../../models/index.js';

/** The public fields of a user. */
export interface Person {
  readonly _id: string;
  readonly name: string;
  readonly email: string | null;
  readonly image: string | null;
  readonly conversation_active_status: 'active' | 'away';
}

const shownFields = { name: 1, firstName: 1, lastName: 1, email: 1, image: 1, conversation_active_status: 1 };

/** Users that were read. */
export interface People {
  /** A missing user has only an id. */
  of(id: Types.ObjectId): Person;
  readonly all: readonly Person[];
}

type StoredPerson = Pick<User, keyof typeof shownFields> & { _id: Types.ObjectId };

/** Reads users, each once. @param known users that were read already */
export async function readPeople(
  { User }: Pick<Models, 'User'>,
  ids: readonly Types.ObjectId[],
  known: readonly Person[] = [],
): Promise<People> {
  const people = new Map(known.map((person) => [person._id, person]));
  const missing = [...new Set(ids.map((id) => id.toHexString()))].filter((id) => !people.has(id));
  for (const id of missing) people.set(id, toUnknownPerson(id));
  const _id = { $in: missing.map((id) => new Types.ObjectId(id)) };
  const options = { projection: shownFields, batchSize: missing.length + 1 };
  const users = missing.length === 0 ? [] : await User.collection.find({ _id }, options).toArray();
  for (const user of users) {
    people.set(String(user._id), toPerson(readStored<StoredPerson>(User as never, user, shownFields)));
  }
  return {
    of: (id) => people.get(id.toHexString()) ?? toUnknownPerson(id.toHexString()),
    all: [...people.values()],
  };
}

/** The shown fields of a stored user. */
export function toPerson(user: StoredPerson): Person {
  const { _id, email, image, conversation_active_status } = user;
  return {
    _id: _id.toHexString(),
    name: nameOf(user),
    email: email ?? null,
    image: image ?? null,
    conversation_active_status: conversation_active_status === 'active' ? 'active' : 'away',
  };
}

/** What is shown of a user who does not exist. */
export const toUnknownPerson = (id: string): Person => ({ ...unknown, _id: id });

/** The display name of a user in conversations: the name, or else first and last name. */
export const nameOf = ({ name, firstName, lastName }: Pick<User, 'name' | 'firstName' | 'lastName'>): string =>
  name || [firstName, lastName].filter(Boolean).join(' ');

const unknown = { name: '', email: null, image: null, conversation_active_status: 'away' } as const;
