import { Types } from 'mongoose';
import type { Models } from '#shared/models/index.js';
import { type Member, memberOrder } from '#shared/models/member.js';
import { foldText } from '#shared/utilities/fold-text.js';
import { readDocument, readId } from '../../models/index.js';
import { chunksOf } from '../../platform/lists.js';
import { isServerError } from '../../platform/mongo/errors.js';
import type { Bounds } from '../../platform/mongo/keyset.js';
import type { Work } from '../../realtime/work.js';
import type { ConversationKind, Described } from './kind.js';
import { createPeopleSearch, takesPart, toSet } from './people-search.js';
import type { Viewer } from './viewer.js';

/** A list of a viewer's conversations: a range of one index, in index order. */
export interface MemberRange {
  /** Conditions, combined with AND. */
  readonly filters: readonly object[];
  readonly hint: string | Readonly<Record<string, 1>>;
}

/** The search in a list. */
export interface SearchQuery {
  /** Substring of the title or of a participant's name. */
  readonly search?: string | undefined;
  /** Other participants; all must match. */
  readonly users?: readonly string[] | undefined;
}

/** Bounds the cost of a page: so many conversations are examined, however many there are. */
const EXAMINED_MAX = 5000;
/**
 * A page of what is found often is full after the first conversations. So they are examined in steps that grow by a factor,
 * because each step skips over those before.
 */
const FIRST_STEP = 128;
const GROWTH = 7;
/** So many are examined again in the next step: what is behind them moves up when some leave the list meanwhile. */
const OVERLAP = 20;
/** Of these, conversations whose titles and participants are read together. */
const READ_TOGETHER = 2000;
/** A participant of at most so many conversations is looked for in these, and not in the list. */
const CANDIDATES_MAX = 500;
/** So many participants are tried. */
const TRIED_MAX = 5;

/** The fields that a conversation can be found by. */
const SHOWN = { title: 1, image: 1, contact_id: 1 } as const;
const BY_USER_AND_CONVERSATION = { user: 1, conversation: 1 } as const;
const BY_PARTICIPANT = { users: 1 } as const;

/** An examined conversation of a list. */
interface Examined {
  readonly id: Types.ObjectId;
  /** Its search key contains the text. */
  readonly hasText: boolean;
  /** It has no search key, and must be read itself. */
  readonly isUnkeyed: boolean;
}

/** A search in a list, for one page. */
export interface Search {
  /** Reads members in the order of the list. All reads together examine a bounded number of conversations. */
  read(range: MemberRange, bounds: Bounds): Promise<Member[]>;
  /** How many were found so far, skipped ones included. There may be more when a page was full. */
  count(): number;
}

/** Searches lists for text that no index can find, and for participants. */
export function createSearch(models: Pick<Models, 'Member' | 'User'>, kind: ConversationKind, work: Work) {
  const people = createPeopleSearch(models, kind, work);

  const readStep = async ({ filters, hint }: MemberRange, text: string, { skip, limit }: Bounds) => {
    const isKeyed = { $eq: [{ $type: '$search_key' }, 'string'] };
    const hasText = { $cond: [isKeyed, { $gte: [{ $indexOfCP: ['$search_key', { $literal: text }] }, 0] }, null] };
    const haveText = text === '' ? {} : { haveText: { $push: hasText } };
    const [step] = await models.Member.aggregate<{ ids: unknown[]; haveText?: unknown[] }>([
      { $match: { $and: [...filters] } },
      { $sort: memberOrder },
      { $limit: skip + limit },
      { $skip: skip },
      { $group: { _id: null, ids: { $push: '$conversation' }, ...haveText } },
    ]).hint(hint);
    const { ids = [], haveText: texts = [] } = step ?? {};
    const examined = ids.flatMap((stored, index): Examined[] => {
      const id = readId(stored);
      return id === undefined ? [] : [{ id, hasText: texts[index] === true, isUnkeyed: texts[index] === null }];
    });
    return { examined, isLast: ids.length < limit };
  };

  /** Reads conversations in the order of the list. @param first size of the first step @param most of all steps */
  async function* walk(
    viewer: Viewer,
    range: MemberRange,
    { text, first, most }: { text: string; first: number; most: number },
  ): AsyncGenerator<Examined[]> {
    let [skip, limit] = [0, Math.min(first, most)];
    while (limit > 0) {
      const again = Math.min(skip, OVERLAP);
      const { examined, isLast } = await readStep(range, text, { skip: skip - again, limit: again + limit });
      await work.pay(viewer.principal, { rows: examined.length });
      yield* chunksOf(examined, READ_TOGETHER);
      skip += limit;
      limit = isLast ? 0 : Math.min(limit * GROWTH, most - skip);
    }
  }

  /** Conversations whose displayed title contains the text. */
  const withTitle = async (ids: readonly Types.ObjectId[], text: string): Promise<Types.ObjectId[]> => {
    if (ids.length === 0) return [];
    const conversations = await kind.conversations.find({ _id: { $in: ids } }, SHOWN).lean<Described[]>();
    const describe = await kind.describe(conversations);
    return conversations.flatMap((one) => (foldText(describe(one).title).includes(text) ? one._id : []));
  };

  /** All conversations of a participant; `undefined` when there are many, or the database lacks the index. */
  const conversationsOf = async (user: Types.ObjectId): Promise<Types.ObjectId[] | undefined> => {
    const limit = CANDIDATES_MAX + 1;
    const options = { projection: { _id: 1 }, hint: BY_PARTICIPANT, limit, batchSize: limit };
    try {
      const found = await kind.conversations.collection.find(takesPart([user]), options).toArray();
      return found.length < limit ? found.map(({ _id }) => _id) : undefined;
    } catch (error) {
      if (isServerError(error, 'BAD_VALUE')) return undefined;
      throw error;
    }
  };

  /** The conversations of one of the others, if one of the first has few. */
  const candidatesFor = async (viewer: Viewer, users: readonly Types.ObjectId[]) => {
    const others = users.filter((user) => !user.equals(viewer.userId));
    for (const user of others.slice(0, TRIED_MAX)) {
      const found = await conversationsOf(user);
      await work.pay(viewer.principal, { rows: found?.length ?? CANDIDATES_MAX });
      if (found !== undefined) return found;
    }
    return undefined;
  };

  /** Reads members of conversations, in the order of these. */
  const readMembers = async (filters: readonly object[], ids: readonly Types.ObjectId[]): Promise<Member[]> => {
    if (ids.length === 0) return [];
    const options = { hint: BY_USER_AND_CONVERSATION, batchSize: ids.length + 1 };
    const filter = { $and: [{ conversation: { $in: ids } }, ...filters] };
    const members = await models.Member.collection.find(filter, options).toArray();
    const byId = new Map(members.map((member) => [String(member['conversation']), readDocument('Member', member)]));
    return ids.flatMap((id) => byId.get(id.toHexString()) ?? []) as unknown as Member[];
  };

  /** Selects the conversations that are searched for. */
  const createSelect = (viewer: Viewer, { text, users }: { text: string; users: readonly Types.ObjectId[] }) => {
    const findPeople = people.begin(viewer, text);
    return async function select(examined: readonly Examined[]): Promise<Types.ObjectId[]> {
      const together = users.length === 0 ? undefined : toSet(await people.withAll(toIds(examined), users));
      const rest = together === undefined ? examined : examined.filter(({ id }) => together.has(id.toHexString()));
      if (text === '') return toIds(rest);
      const others = rest.filter(({ hasText }) => !hasText);
      const unkeyed = others.filter(({ isUnkeyed }) => isUnkeyed);
      const [byTitle, byPeople] = await Promise.all([withTitle(toIds(unkeyed), text), findPeople(toIds(others))]);
      const found = toSet([...byTitle, ...byPeople]);
      return rest.flatMap(({ id, hasText }) => (hasText || found.has(id.toHexString()) ? id : []));
    };
  };

  return {
    /** @returns `undefined` when nothing is searched for */
    begin(viewer: Viewer, { search, users: userIds = [] }: SearchQuery): Search | undefined {
      const text = foldText(search ?? '');
      const users = userIds.map((id) => new Types.ObjectId(id));
      if (text === '' && users.length === 0) return undefined;
      const select = createSelect(viewer, { text, users });
      let left = EXAMINED_MAX;
      let count = 0;

      /** The conversations that are found, step by step. @param wanted how many, probably */
      async function* find(range: MemberRange, wanted: number): AsyncGenerator<Types.ObjectId[]> {
        // Some are examined again.
        const seen = new Set<string>();
        const bounds = { first: Math.max(FIRST_STEP, wanted), most: left };
        for await (const examined of walk(viewer, range, { text, ...bounds })) {
          left -= examined.length;
          const found = (await select(examined)).filter((id) => !seen.has(id.toHexString()));
          for (const id of found) seen.add(id.toHexString());
          count += found.length;
          yield found;
        }
      }
      let narrowed: ReturnType<typeof candidatesFor> | undefined;
      return {
        async read({ filters, hint }, { limit, skip }) {
          narrowed ??= candidatesFor(viewer, users);
          const among = await narrowed;
          const range =
            among === undefined
              ? { filters, hint }
              : { filters: [...filters, { conversation: { $in: among } }], hint: BY_USER_AND_CONVERSATION };
          const members: Member[] = [];
          const waiting: Types.ObjectId[] = [];
          let toSkip = skip;
          /** A conversation may have left the list since it was found. The next one takes its place. */
          const readWaiting = async (): Promise<void> => {
            while (waiting.length > 0 && members.length < limit) {
              const ids = waiting.splice(0, limit - members.length);
              members.push(...(await readMembers(filters, ids)));
            }
          };
          for await (const found of find(range, skip + limit)) {
            waiting.push(...found.slice(toSkip));
            toSkip = Math.max(0, toSkip - found.length);
            if (members.length + waiting.length >= limit) await readWaiting();
            if (members.length === limit) return members;
          }
          await readWaiting();
          return members;
        },
        count: () => count,
      };
    },
  };
}

const toIds = (examined: readonly Examined[]): Types.ObjectId[] => examined.map(({ id }) => id);
