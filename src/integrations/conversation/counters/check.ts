import { Types } from 'mongoose';
import type { Counters } from '#shared/models/counter.js';
import type { Models } from '#shared/models/index.js';
import { readDocument } from '../../../models/index.js';
import { countersOf } from './ledger.js';
import { addTo, type Countable, countableFields, emptyTallies, type Tallies, toCounters } from './tally.js';

/** Conversations that a check counts. */
const COUNTED_MAX = 2000;

/** The counters of the channel `you` of a user: as stored, and as counted. */
interface CounterCheck {
  readonly stored: Counters;
  /** `null`: there are too many conversations. */
  readonly recount: Counters | null;
}

/** Compares the counters of a user to a count, and changes nothing. */
export function createCounterCheck({ Counter, Member }: Pick<Models, 'Counter' | 'Member'>) {
  /** @returns `undefined` for a user who was never counted */
  return async function checkCounters(userId: string): Promise<CounterCheck | undefined> {
    if (!/^[0-9a-f]{24}$/.test(userId)) return undefined;
    const user = new Types.ObjectId(userId);
    const counter = await Counter.findOne({ user, channel_id: 'you' }).lean();
    if (counter === null) return undefined;
    const limits = { limit: COUNTED_MAX + 1, batchSize: COUNTED_MAX + 1 };
    const found = await Member.collection.find({ user }, { projection: countableFields, ...limits }).toArray();
    const stored = countersOf(counter);
    if (found.length > COUNTED_MAX) return { stored, recount: null };
    const tallies: Tallies = new Map();
    for (const member of found) {
      addTo(tallies, readDocument('Member', member, countableFields) as unknown as Countable, 1);
    }
    return { stored, recount: toCounters(tallies.get('you') ?? emptyTallies()) };
  };
}
