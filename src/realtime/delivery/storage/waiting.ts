import type { KeyedRecipient } from '../message.js';
import { type Entry, fromDocument, type StoredEntry } from './entry.js';
import type { Log } from './log.js';

/** Bodies that one read of many recipients holds in memory, in characters, besides the last one. */
const WAITING_MAX_CHARACTERS = 2 ** 22;

/** Where entries wait for a device: in namespaces, above a position of each. */
export interface WaitingQuery {
  readonly recipient: KeyedRecipient;
  readonly deviceId: string;
  readonly ranges: readonly { readonly namespace: string; readonly after: number }[];
}

/**
 * What waits for several devices, read together.
 * @returns entries in order of positions, by device; `undefined`: there are at least `limit` in all, or too large ones
 */
export async function readWaiting(
  log: Log,
  devices: readonly WaitingQuery[],
  limit: number,
): Promise<Entry[][] | undefined> {
  const documents = log.findForSockets({ $or: toScans(devices) }, { batchSize: limit }).limit(limit);
  const found = new Map<string, StoredEntry[]>();
  let count = 0;
  let characters = 0;
  for await (const document of documents) {
    const stored = log.sound<StoredEntry>(document);
    count += 1;
    characters += stored?.body?.length ?? 0;
    if (count === limit || characters > WAITING_MAX_CHARACTERS) return undefined;
    if (stored === undefined) continue;
    const own = found.get(stored.recipient);
    if (own === undefined) found.set(stored.recipient, [stored]);
    else own.push(stored);
  }
  return devices.map((device) =>
    (found.get(device.recipient.key) ?? [])
      .filter((stored) => isWaiting(stored, device))
      .sort((one, other) => one.position - other.position)
      .map((stored) => fromDocument(stored, device.recipient)),
  );
}

/**
 * One scan of each log, in order of positions. Of two scans the second could find an entry although the first has not found one
 * below it, which was stored between them: that one would never be sent.
 */
function toScans(devices: readonly WaitingQuery[]): object[] {
  const scans = new Map<string, { after: number; readonly namespaces: Set<string> }>();
  for (const { recipient, ranges } of devices) {
    const scan = scans.get(recipient.key) ?? { after: Number.POSITIVE_INFINITY, namespaces: new Set() };
    scans.set(recipient.key, scan);
    for (const { namespace, after } of ranges) {
      scan.namespaces.add(namespace);
      scan.after = Math.min(scan.after, after);
    }
  }
  return Array.from(scans, ([recipient, { after, namespaces }]) => ({
    recipient,
    position: { $gt: after },
    namespace: { $in: [...namespaces] },
  }));
}

/** The entries of a recipient were read for all of its devices that connect at once. */
const isWaiting = ({ namespace, position, outcomes = [] }: StoredEntry, { deviceId, ranges }: WaitingQuery): boolean =>
  ranges.some((range) => range.namespace === namespace && position > range.after) &&
  !outcomes.some(({ device }) => device === deviceId);
