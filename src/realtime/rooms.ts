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
  /** The sockets that follow a scraper. */
  scraper: (scraperId: string): string => `scraper:${scraperId}`,
} as const;
