import type { Department } from '#shared/models/department.js';
import type { Models } from '#shared/models/index.js';
import { createLoader } from '../../../platform/batcher.js';
import { groupBy } from '../shared/index.js';

/** Users in one query. */
const GROUP_MAX = 1000;

/** A department and its members. */
export type Membership = Pick<Department, '_id' | 'members'>;

/** Reads the departments of users. */
export type Memberships = (userId: string) => Promise<readonly Membership[]>;

/** Those of the users of one turn are one query. Ids are ObjectIds. */
export function createMemberships({ Department: Departments }: Pick<Models, 'Department'>): Memberships {
  const read = createLoader<Membership[]>(async (ids) => {
    const found = await Departments.find({ members: { $in: ids } }, { members: 1 }).lean<Membership[]>();
    return groupBy(found, ({ members }) => members, new Set(ids));
  }, GROUP_MAX);
  return async function membershipsOf(userId) {
    return (await read(userId.toLowerCase())) ?? [];
  };
}
