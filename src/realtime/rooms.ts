const DEPARTMENT = 'dept_';

/** The only speller of room names. A prefix keeps ids of one kind from being taken for another. */
export const rooms = {
  /** Every socket of a user. */
  user: (userId: string): string => `user:${userId}`,
  /** Every socket of an account's users. */
  account: (accountId: string): string => `account:${accountId}`,
  /** Every socket of a visitor. */
  visitor: (visitorId: string): string => `visitor:${visitorId}`,
  /** The sockets of a group's members. */
  group: (groupType: string): string => `group:${groupType}`,
  /** The sockets that look away from a chat: what goes to those in it does not go to them. */
  chatLeft: (chatId: string): string => `chat-left:${chatId}`,
  /** The clients of a push site that its website put into a room. */
  site: (room: string): string => `site:${room}`,
  /** The sockets of the agents of a department. */
  department: (departmentId: string): string => `${DEPARTMENT}${departmentId}`,
  /** The sockets of one person that listen to a conversation without being named in it. `person`: the room of their own. */
  listener: (conversationId: string, person: string): string => `listener:${conversationId}:${person}`,
  /** The sockets that follow a scraper. */
  scraper: (scraperId: string): string => `scraper:${scraperId}`,
} as const;

/** The department whose room is among the rooms of a socket. */
export function departmentIn(names: Iterable<string>): string | undefined {
  for (const name of names) if (name.startsWith(DEPARTMENT)) return name.slice(DEPARTMENT.length);
  return undefined;
}
