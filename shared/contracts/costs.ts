/*
 * What the work of an event or a call costs, in addition to the point for the event itself. This is the only place that
 * decides it. The contract of each event and route names the kinds of its work; services pay for it as soon as the amount is
 * known, before it is done.
 */

/** Units of work for one point of `EVENT_LIMIT`. A unit is about 10 µs of processor time. */
export const UNITS_PER_POINT = 100;

/** Work whose amount depends on what the caller names. */
interface Cost {
  /** For the documents. */
  readonly summary: string;
  /** How many make one unit. */
  readonly perUnit: number;
}

/** All kinds of work that are paid for. */
export const costs = {
  rows: { summary: '1 for each document read or written', perUnit: 1 },
  examined: { summary: '1 for every 5 entries that are compared, counted or skipped', perUnit: 5 },
  receivers: { summary: '1 for each user or connection that an event is sent to', perUnit: 1 },
  details: { summary: '1 for every 20 participants or reactions within the answer or the events', perUnit: 20 },
  bytes: { summary: '1 for every 16 KiB of the file', perUnit: 16_384 },
  text: { summary: '1 for every 1,024 characters that are read, or sent to a user', perUnit: 1024 },
} as const satisfies Readonly<Record<string, Cost>>;

/** A kind of work. */
export type CostName = keyof typeof costs;

/** How much there is of each kind of work. */
export type Amounts = Readonly<Partial<Record<CostName, number>>>;

/**
 * A message: the state of each participant is read and written, and each is sent an event.
 * @param characters of a message that can be long
 */
export const amountsOfMessage = (people: number, characters = 0): Amounts => ({
  rows: 2 * people,
  receivers: people,
  text: people * characters,
});

/**
 * A changed conversation: each participant is read, and sent the conversation with all participants in it.
 * @param characters of its title and images
 */
export const amountsOfConversation = (people: number, characters: number): Amounts => ({
  rows: people,
  receivers: people,
  details: people * people,
  text: people * characters,
});

/** The points that work costs. They are whole: work of less than a point is free. */
export function pointsOf(amounts: Amounts): number {
  let units = 0;
  for (const [name, count] of Object.entries(amounts)) units += count / costs[name as CostName].perUnit;
  return Math.floor(units / UNITS_PER_POINT);
}

/** The costs of an event or a route in words; `undefined` for one that always costs a single point. */
export function describeCosts(names: readonly CostName[] = []): string | undefined {
  if (names.length === 0) return undefined;
  const kinds = names.map((name) => costs[name].summary).join('; ');
  return `Costs 1 point of the event limit, and 1 more for every ${UNITS_PER_POINT} units of work. Units: ${kinds}.`;
}
