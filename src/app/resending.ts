import { Types } from 'mongoose';
import type { Integration, LastChanges } from '../framework/integration.js';
import { groupBy } from '../platform/lists.js';
import { readChanges, type StoredChange } from '../platform/mongo/changes.js';
import { isObjectIdOf, processOf } from '../platform/mongo/object-ids.js';
import { type Death, NODE_LEASE_MS } from '../realtime/node-leases.js';
import type { Base } from './base.js';
import type { Outside } from './outside.js';

/** Between storing a change and sending it, and comparing what was sent: nearly always less. */
const ON_ITS_WAY_MS = 15_000;
/** Changes that are read after one death. */
const CHANGES_MAX = 20_000;

/**
 * Lets one node send again what a dead one may have stored and not sent. The dead node renewed its lease until it died, so it died
 * before the lease was over; and what it stored in the last moments before the lease began had been sent.
 */
export async function resendAfterDeaths(
  { logger, cleanup }: Pick<Base, 'logger' | 'cleanup'>,
  { mongo, cluster }: Pick<Outside, 'mongo' | 'cluster'>,
  integrations: readonly Integration[],
): Promise<void> {
  const parts = integrations.flatMap(({ resending }) => resending ?? []);
  const collections = [...new Set(parts.flatMap((part) => part.collections))];

  const resend = async ({ mark, endedAgoMs }: Death): Promise<void> => {
    const fromAgoMs = endedAgoMs + NODE_LEASE_MS + ON_ITS_WAY_MS;
    const request = { collections, fromAgoMs, untilAgoMs: endedAgoMs, limit: CHANGES_MAX };
    const { changes, isCut } = await readChanges(mongo.connection, request);
    logger.info({ changes: changes.length, isCut }, 'a node died; sending again what it may not have sent');
    const last = toLastChanges(changes, mark);
    const sent = await Promise.allSettled(parts.map((part) => part.send(last)));
    const failed = sent.filter((one) => one.status === 'rejected');
    if (failed.length > 0) throw new AggregateError(failed.map(({ reason }) => reason as unknown));
  };

  cluster.leases.onDeath(resend);
  await cluster.leases.begin(processOf(new Types.ObjectId()));
  cleanup.add('node lease', cluster.leases.end);
}

function toLastChanges(changes: readonly StoredChange[], mark: string): LastChanges {
  const byCollection = groupBy(changes, ({ collection }) => collection);
  const of: LastChanges['of'] = ({ collection }) => byCollection.get(collection.collectionName) ?? [];
  return { of, insertedIn: (model) => of(model).filter(({ id, isNew }) => isNew && isObjectIdOf(id, mark)) };
}
