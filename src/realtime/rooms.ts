const DEPARTMENT = 'dept_';

/** The names of rooms, which no other file spells. Prefixes keep ids of different kinds apart. */
export const rooms = {
  /** Every socket of a user. */
  user: (userId: string): string => `user:${userId}`,
  /** Every socket of an account's users. */
  account: (accountId: string): string => `account:${accountId}`,
  /** Every socket of a visitor. */
  visitor: (visitorId: string): string => `visitor:${visitorId}`,
  /** The sockets of a group's members. */
  group: (groupType: string): string => `group:${groupType}`,
  /** Sockets that have left the view of a chat, and are left out when an event is sent to its viewers. */
  chatLeft: (chatId: string): string => `chat-left:${chatId}`,
  /** A room of a push site, as its website names it. */
  site: (room: string): string => `site:${room}`,
  /** The sockets of the agents of a department. */
  department: (departmentId: string): string => `${DEPARTMENT}${departmentId}`,
  /** Sockets of a person that listens to a conversation without participating. `person`: the room of the person. */
  listener: (conversationId: string, person: string): string => `listener:${conversationId}:${person}`,
  /** Sockets that follow a scraper. */
  scraper: (scraperId: string): string => `scraper:${scraperId}`,
} as const;

const LISTENER = /^listener:[^:]*:/;

/**
 * Decides which rooms are routed: their events go only to the nodes with a socket in the room. These are the rooms that a socket
 * enters while it connects, which the other nodes know before the CONNECT is confirmed to the client. Events to all other rooms
 * go to every node.
 * @returns the room by which the nodes of a room are found: the sockets of a listener are a subset of those of the person
 */
export function routeOf(room: string): string | undefined {
  const person = room.replace(LISTENER, '');
  return /^(?:user|visitor|account):/.test(person) ? person : undefined;
}

/** The department whose room is among the rooms of a socket. */
export function departmentIn(names: Iterable<string>): string | undefined {
  for (const name of names) if (name.startsWith(DEPARTMENT)) return name.slice(DEPARTMENT.length);
  return undefined;
}
