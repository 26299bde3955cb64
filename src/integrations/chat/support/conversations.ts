import { isObjectIdOrHexString, Types } from 'mongoose';
import type { z } from 'zod';
import type { supportPayloads } from '#shared/contracts/support-parts.js';
import type { Department } from '#shared/models/department.js';
import type { Models } from '#shared/models/index.js';
import type { SupportConversation } from '#shared/models/support-conversation.js';
import type { Principal } from '../../../auth/principal.js';
import { readDocument, storedValue } from '../../../models/index.js';
import { comparePlaces, type KeysetPlace, placeOfTime, readAfter } from '../../../platform/mongo/keyset.js';
import type { Work } from '../../../realtime/work.js';
import { type Authentication, ChatError, type UserCaller } from '../shared/index.js';
import type { Candidate, ConversationAccess } from './access.js';
import { namesIn } from './accounts.js';
import { toPage } from './page.js';
import { createShow } from './show.js';
import { complete } from './stored-conversations.js';

type Payloads = { [Name in keyof typeof supportPayloads]: z.output<(typeof supportPayloads)[Name]> };

interface Dependencies {
  models: Models;
  authentication: Authentication;
  access: ConversationAccess;
  work: Work;
}

/** Lists conversations, and departments. */
export function createConversations({ models, authentication, access, work }: Dependencies) {
  const { SupportConversation: Conversation } = models;
  const show = createShow(models);

  /** @throws ChatError `NOT_FOUND` for a department that the caller is not in */
  const ofDepartment = async ({ _id }: UserCaller, departmentId: string): Promise<Filter[]> => {
    const members = await access.membersOf(new Types.ObjectId(departmentId));
    if (!members.some((id) => id.equals(_id))) throw new ChatError('NOT_FOUND', 'Department not found');
    return [{ departmentId: new Types.ObjectId(departmentId) }];
  };

  /** @throws ChatError `NOT_FOUND` for a conversation without access */
  const findCursor = async (principal: Principal, before: string | undefined): Promise<KeysetPlace | undefined> => {
    if (before === undefined) return undefined;
    if (!isObjectIdOrHexString(before)) return placeOfTime(new Date(before), 'descending');
    const [{ conversation }, stored] = await Promise.all([
      access.open(principal, before),
      Conversation.findById(before, { updatedAt: 1 }).lean(),
    ]);
    return placeOf(stored ?? conversation);
  };

  /** The next conversations of several lists. */
  const readNext = async (bases: readonly Base[], range: KeysetRange): Promise<SupportConversation[]> => {
    // Each list is one index scan; conversations in several lists are merged.
    const found = await Promise.all(
      bases.map((base) => {
        const list = { base, field: 'updatedAt', direction: 'descending' } as const;
        return readAfter<SupportConversation>(Conversation, list, range);
      }),
    );
    const all = [...new Map(found.flat().map((one) => [String(one._id), one])).values()];
    return all.sort((one, other) => comparePlaces(placeOf(other), placeOf(one), 'descending')).slice(0, range.limit);
  };

  /**
   * The next conversations that the caller can open. Those stored across accounts by other services are skipped.
   * @returns `isCut` if so many were skipped that there may be more
   */
  const readOpen = async (
    { principal, caller }: { principal: Principal; caller: UserCaller },
    bases: readonly Base[],
    { place, limit }: KeysetRange,
  ): Promise<{ found: SupportConversation[]; isCut: boolean }> => {
    const open: SupportConversation[] = [];
    let from = place;
    for (let reads = 0; reads < READS_MAX; reads += 1) {
      await work.pay(principal, { rows: bases.length * limit });
      const next = await readNext(bases, { place: from, limit });
      const candidates = next.map(toCandidate);
      await work.pay(principal, { examined: countUsers(candidates) });
      open.push(...(await access.openTo(caller, candidates)).map(({ candidate }) => candidate.conversation));
      const last = next.at(-1);
      if (open.length >= limit || next.length < limit || last === undefined) {
        return { found: open.slice(0, limit), isCut: false };
      }
      from = placeOf(last);
    }
    return { found: open, isCut: true };
  };

  return {
    /** Lists conversations of the caller, or of one of their departments; last changed first. */
    async list(principal: Principal, { status, departmentId, before, limit }: Payloads['list']) {
      const caller = await authentication.userOf(principal);
      const [owned, cursor] = await Promise.all([
        departmentId === undefined
          ? [{ participants: caller._id }, { assignedTo: caller._id }]
          : ofDepartment(caller, departmentId),
        findCursor(principal, before),
      ]);
      const bases = owned.map((own) => ({ ...own, ...(status === undefined ? {} : { status }) }));
      const { found, isCut } = await readOpen({ principal, caller }, bases, { place: cursor, limit: limit + 1 });
      const { items, hasMore } = toPage(await show.all(found), limit);
      return { conversations: items, hasMore: hasMore || isCut };
    },

    /** All departments. @returns whether the caller is a member of each; other members are not revealed */
    async departments(principal: Principal) {
      const caller = await authentication.userOf(principal);
      const [all, own] = await Promise.all([
        models.Department.find({}, { name: 1 }).sort({ name: 1 }).limit(DEPARTMENTS_MAX).lean<Department[]>(),
        models.Department.find({ members: caller._id }, { _id: 1 }).lean<Department[]>(),
      ]);
      await work.pay(principal, { rows: all.length });
      const ownIds = new Set(own.map(({ _id }) => _id.toHexString()));
      const departments = all.map(({ _id, name }) => {
        const id = _id.toHexString();
        return { _id: id, name: name ?? '', isMember: ownIds.has(id) };
      });
      return { departments };
    },
  };
}

/** Maximum number of reads for one page, when conversations are skipped. */
const READS_MAX = 10;

/** Maximum number of departments in one answer, by name. */
const DEPARTMENTS_MAX = 500;

/** Up to `limit` entries after a place. */
interface KeysetRange {
  readonly place: KeysetPlace | undefined;
  readonly limit: number;
}

/** Conditions of one list. */
type Base = Readonly<Record<string, unknown>>;

type Filter = Readonly<Record<string, Types.ObjectId>>;

/** The account of each user in them is compared. */
const countUsers = (candidates: readonly Candidate[]): number =>
  candidates.reduce((sum, { names }) => sum + names.all.length, 0);

const placeOf = (conversation: Pick<SupportConversation, 'updatedAt' | '_id'>): KeysetPlace => ({
  value: storedValue(conversation, 'updatedAt'),
  _id: conversation._id,
});

function toCandidate(stored: SupportConversation): Candidate & { readonly conversation: SupportConversation } {
  const conversation = complete(readDocument('SupportConversation', stored));
  return { conversation, departmentId: conversation.departmentId, names: namesIn(conversation) };
}
