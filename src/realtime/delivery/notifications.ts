/** What a node tells the others of entries that it has stored. The bus may lose it: every node also polls the log. */
import type { Bus, RoomMessage } from '../bus.js';
import { rooms } from '../rooms.js';
import { createEntry, type Entry, type EntryFields } from './entry.js';
import { type Recipient, recipientOf } from './message.js';
import type { Outboxes } from './outboxes.js';
import type { Positions } from './positions.js';

/** Messages of the bus with new entries. */
const NEW_ENTRIES_TOPIC = 'delivery.log';

/** Content of entries that one message of the bus carries. An entry above it is announced without its content. */
const CONTENT_MAX_CHARACTERS = 65_536;

/** Where a new entry is. */
export type EntryPlace = Pick<EntryFields, 'recipient' | 'position' | 'createdAt'>;

/** With the key of the recipient, as it travels. */
type Keyed<Fields extends EntryPlace> = Omit<Fields, 'recipient'> & { readonly recipient: string };

/** An entry, or only its place. */
export type NewEntryNotification = Keyed<EntryFields> | Keyed<EntryPlace>;

/** The room whose sockets get the messages of a recipient. */
export const roomOf = ({ userId }: Recipient): string => rooms.user(userId);

/**
 * Announces new entries to the nodes with sockets of their recipients.
 * @returns tells whether another node has sockets in the room of an entry's recipient; `undefined`: not known. Never rejects
 */
export function announce(bus: Bus, entries: readonly Entry[]): (entry: Entry) => Promise<boolean | undefined> {
  const published = new Map<Entry, { readonly index: number; readonly sent: ReturnType<Bus['publishToRooms']> }>();
  for (const group of toGroups(entries)) {
    const messages = group.map((entry): RoomMessage => {
      const isLarge = entry.body.length > CONTENT_MAX_CHARACTERS;
      const retained = toPlaceNotification(entry);
      return { room: roomOf(entry.recipient), message: isLarge ? retained : toEntryNotification(entry), retained };
    });
    const sent = bus.publishToRooms(NEW_ENTRIES_TOPIC, messages);
    for (const [index, entry] of group.entries()) published.set(entry, { index, sent });
  }
  return async (entry) => {
    const { index = 0, sent } = published.get(entry) ?? {};
    return (await sent)?.areHeld?.[index];
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
      .map((place): RoomMessage => ({ room: roomOf(place.recipient), message: toPlaceNotification(place) }));
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
  ...{ recipient: recipient.key, position, createdAt },
});

const toEntryNotification = ({ content: _, recipient, ...fields }: Entry): Keyed<EntryFields> => ({
  ...fields,
  recipient: recipient.key,
});

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
