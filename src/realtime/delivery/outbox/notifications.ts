/** What a node tells the others of entries that it has stored. The bus may lose it: every node also polls the log. */
import { createBoundedMap } from '../../../platform/bounded-map.js';
import type { Bus, RoomMessages } from '../../bus.js';
import { rooms } from '../../rooms.js';
import { type Recipient, recipientOf } from '../message.js';
import { createEntry, type Entry, type EntryFields } from '../storage/entry.js';
import type { Positions } from '../storage/positions.js';
import type { Outboxes } from './outboxes.js';

/** Messages of the bus with new entries. */
const NEW_ENTRIES_TOPIC = 'delivery.log';

/** Content of entries that one message of the bus carries. An entry above it is announced without its content. */
const CONTENT_MAX_CHARACTERS = 65_536;
/** Rooms of which a node remembers that no other one holds them. */
const UNHELD_MAX = 20_000;

/** Where a new entry is. */
export type EntryPlace = Pick<EntryFields, 'recipient' | 'position' | 'createdAt'>;

/** With the key of the recipient, as it travels. */
type Keyed<Fields extends EntryPlace> = Omit<Fields, 'recipient'> & { readonly recipient: string };

/** An entry, or only its place. */
type NewEntryNotification = Keyed<EntryFields> | Keyed<EntryPlace>;

/** The room whose sockets get the messages of a recipient. */
export const roomOf = ({ userId }: Recipient): string => rooms.user(userId);

/** Tells whether another node has sockets in the room of an entry's recipient; `undefined`: not known. Never rejects. */
type AskIfHeld = (entry: Entry) => Promise<boolean | undefined>;

/**
 * Announces new entries to the nodes with sockets of their recipients. What no other node had sockets for when it was announced
 * last is announced by the last place only, as most nodes have all sockets of a user: a node that has some since then reads the
 * log.
 */
export function createAnnouncer(bus: Bus): (entries: readonly Entry[]) => AskIfHeld {
  const unheld = createBoundedMap<true>(UNHELD_MAX);
  const publish = async (entries: readonly Entry[]): Promise<ReadonlyMap<string, boolean | undefined>> => {
    const byRoom = new Map<string, Entry[]>();
    for (const entry of entries) {
      const room = roomOf(entry.recipient);
      const own = byRoom.get(room);
      if (own === undefined) byRoom.set(room, [entry]);
      else own.push(entry);
    }
    const toMessages = ([room, own]: [string, Entry[]]): RoomMessages => {
      const last = toPlaceNotification(own.at(-1) as Entry);
      const isContentOfUse = unheld.get(room) === undefined;
      return { room, messages: isContentOfUse ? own.map(toNotification) : [last], retained: last };
    };
    const { areHeld } = await bus.publishToRooms(NEW_ENTRIES_TOPIC, Array.from(byRoom, toMessages));
    const held = new Map([...byRoom.keys()].map((room, index) => [room, areHeld?.[index]]));
    for (const [room, isHeld] of held) {
      if (isHeld === false) unheld.set(room, true);
      else unheld.delete(room);
    }
    return held;
  };
  return function announce(entries) {
    const published = new Map<Entry, ReturnType<typeof publish>>();
    for (const group of toGroups(entries)) {
      const held = publish(group);
      for (const entry of group) published.set(entry, held);
    }
    return async (entry) => (await published.get(entry))?.get(roomOf(entry.recipient));
  };
}

/** Places in one message of the bus. */
const PLACES_MAX = 500;

/** Announces where entries are. @returns whether all nodes that are concerned were reached */
export async function announcePlaces(bus: Bus, places: readonly EntryPlace[]): Promise<boolean> {
  const sent: ReturnType<Bus['publishToRooms']>[] = [];
  for (let start = 0; start < places.length; start += PLACES_MAX) {
    // Not retained: there may be a later entry by now.
    const messages = places
      .slice(start, start + PLACES_MAX)
      .map((place): RoomMessages => ({ room: roomOf(place.recipient), messages: [toPlaceNotification(place)] }));
    sent.push(bus.publishToRooms(NEW_ENTRIES_TOPIC, messages));
  }
  return (await Promise.all(sent)).every(({ isComplete }) => isComplete);
}

/** @returns entries in groups that each fit into one message of the bus */
function toGroups(entries: readonly Entry[]): Entry[][] {
  const groups: Entry[][] = [];
  let characters = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const size = entry.body.length > CONTENT_MAX_CHARACTERS ? 0 : entry.body.length;
    characters += size;
    if (characters > CONTENT_MAX_CHARACTERS) {
      groups.push([]);
      characters = size;
    }
    groups.at(-1)?.push(entry);
  }
  return groups;
}

/** Announces where an entry is. */
const toPlaceNotification = ({ recipient, position, createdAt }: EntryPlace): Keyed<EntryPlace> => ({
  recipient: recipient.key,
  position,
  createdAt,
});

/** Announces an entry itself, unless it is too large, without what only the database has to know. */
function toNotification(entry: Entry): NewEntryNotification {
  if (entry.body.length > CONTENT_MAX_CHARACTERS) return toPlaceNotification(entry);
  return {
    id: entry.id,
    recipient: entry.recipient.key,
    position: entry.position,
    namespace: entry.namespace,
    body: entry.body,
    createdAt: entry.createdAt,
    expireAt: entry.expireAt,
    isResync: entry.isResync,
    keepsReceipt: entry.keepsReceipt,
    hasPush: entry.hasPush,
    traceparent: entry.traceparent,
  };
}

/** Offers to the sockets of this node what the other nodes announce. */
export function followAnnouncements(
  bus: Bus,
  { positions, outboxes }: { readonly positions: Positions; readonly outboxes: Outboxes },
): void {
  bus.subscribe(NEW_ENTRIES_TOPIC, (notifications) => {
    for (const notification of toNotifications(notifications)) {
      const announced = fromNotification(notification);
      positions.learn(announced.recipient.key, announced.position, announced.createdAt);
      if (isEntry(announced)) outboxes.offer(announced);
      else outboxes.notice(announced.recipient, announced.position);
    }
  });
}

/** Those of another node that this version knows. They are too many for a schema. */
const toNotifications = (message: unknown): NewEntryNotification[] =>
  Array.isArray(message) ? message.filter(isNotification) : [];

const isNotification = (value: unknown): value is NewEntryNotification =>
  typeof value === 'object' &&
  value !== null &&
  'recipient' in value &&
  typeof value.recipient === 'string' &&
  'position' in value &&
  Number.isSafeInteger(value.position);

/** What another node has announced. */
function fromNotification(notification: NewEntryNotification): Entry | EntryPlace {
  const recipient = recipientOf(notification.recipient);
  return 'body' in notification ? createEntry({ ...notification, recipient }) : { ...notification, recipient };
}

/** Whether the entry itself was announced. */
const isEntry = (announced: Entry | EntryPlace): announced is Entry => 'body' in announced;
