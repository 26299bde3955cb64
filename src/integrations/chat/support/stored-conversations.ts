import { Types } from 'mongoose';
import type { Department } from '#shared/models/department.js';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import { type Proof, proofOf, readStored } from '../../../models/index.js';
import { createLoader } from '../../../platform/concurrency/batcher.js';
import type { Write } from '../../../platform/mongo/write-together.js';

/** A conversation with what access to it follows from. */
export interface StoredConversation {
  readonly conversation: SupportConversation;
  /** The members of its department. */
  readonly members: readonly Types.ObjectId[];
  /** Its department exists. */
  readonly isOfDepartment: boolean;
  /** That the conversation and its department are as read. */
  readonly conditions: readonly Write[];
}

/** The fields of a conversation that determine access. */
type AccessFields = Pick<
  SupportConversation,
  'participants' | 'assignedTo' | 'departmentId' | 'createdBy' | 'visitorId'
>;

/** The fields of a conversation that decide about a message. */
const decisive = ['participants', 'assignedTo', 'departmentId', 'createdBy', 'visitorId', 'status'] as const;

interface ReadDepartment extends Pick<Department, 'members'> {
  readonly proof: Proof;
}

/** Departments in one query. */
const DEPARTMENTS_MAX = 1000;

/** Reads conversations and their departments. */
export function createStoredConversations({
  SupportConversation: conversations,
  Department: departments,
}: Pick<Models, 'SupportConversation' | 'Department'>) {
  const readDepartment = async (_id: Types.ObjectId | null): Promise<ReadDepartment | undefined> => {
    if (_id === null) return undefined;
    const found = await departments.findById(_id, { members: 1 }).lean<Pick<Department, '_id' | 'members'>>();
    return found === null ? undefined : { members: found.members ?? [], proof: proofOf(found, ['members']) };
  };

  const withDepartment = async (conversation: SupportConversation): Promise<StoredConversation> => {
    const department = await readDepartment(conversation.departmentId);
    if (department === undefined) return { conversation, members: [], isOfDepartment: false, conditions: [] };
    const { members, proof } = department;
    const isAsRead = { collection: departments.collection.collectionName, expects: proof };
    return { conversation, members, isOfDepartment: true, conditions: [isAsRead] };
  };

  const existingDepartment = createLoader<string>(async (ids) => {
    const found = await departments.find({ _id: { $in: ids } }, { _id: 1 }).lean();
    return new Map(found.map(({ _id }) => [_id.toHexString(), _id.toHexString()]));
  }, DEPARTMENTS_MAX);

  return {
    /** @returns `undefined` for an unknown conversation */
    async read(id: string): Promise<StoredConversation | undefined> {
      const found = await conversations.collection.findOne({ _id: new Types.ObjectId(id) });
      if (found === null) return undefined;
      const stored = readStored(conversations, found);
      const { conditions, ...rest } = await withDepartment(complete(stored));
      const isAsRead = { collection: conversations.collection.collectionName, expects: proofOf(stored, decisive) };
      return { ...rest, conditions: [isAsRead, ...conditions] };
    },
    /** Adds the department to a conversation that was read already. */
    withDepartment,
    /** The members of a department; empty for an unknown one. */
    membersOf: async (departmentId: Types.ObjectId): Promise<Types.ObjectId[]> =>
      (await readDepartment(departmentId))?.members ?? [],
    /** Those of some departments that exist. */
    async existingAmong(ids: ReadonlySet<string>): Promise<ReadonlySet<string>> {
      const found = await Promise.all([...ids].map(existingDepartment));
      return new Set(found.filter((id) => id !== undefined));
    },
  };
}

/** Other services create conversations too, and omit fields. */
export const complete = (conversation: SupportConversation): SupportConversation => ({
  ...conversation,
  ...completeAccessFields(conversation),
  updatedAt: conversation.updatedAt ?? conversation._id.getTimestamp(),
});

/** The same for the fields that determine access. */
export const completeAccessFields = (conversation: Partial<AccessFields>): AccessFields => ({
  participants: conversation.participants ?? [],
  assignedTo: conversation.assignedTo ?? null,
  departmentId: conversation.departmentId ?? null,
  createdBy: conversation.createdBy ?? null,
  visitorId: conversation.visitorId ?? null,
});
