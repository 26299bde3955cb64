/** A step of a message, as its route answers. */
export interface Step {
  readonly at: string;
  readonly what: string;
  readonly deviceId?: string | undefined;
  readonly detail?: string | undefined;
}

/** A device of a message, as its route answers. */
interface Device {
  readonly deviceId: string | null;
  readonly state: string | null;
  readonly reason: string;
}

/** What a timeline is made of. */
export interface Told {
  readonly acceptedAt: string;
  readonly devices: readonly Device[];
  readonly steps: readonly Step[];
}

/** A point of a lane; `x` from 0 to 1. */
export interface Mark {
  readonly x: number;
  readonly what: string;
  readonly elapsedMs: number;
}

/** A stretch of a lane: it waited to be sent, it was under way, or it still is. */
interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly kind: 'waiting' | 'under-way' | 'open';
}

/** One line of the graphic: the message itself, or one device. */
export interface Lane {
  /** `undefined`: the message itself; `null`: a device that was not known. */
  readonly deviceId: string | null | undefined;
  readonly marks: readonly Mark[];
  readonly stretches: readonly Stretch[];
}

/** A label of the axis. */
interface Tick {
  readonly x: number;
  readonly elapsedMs: number;
  /** There is no room for it on a phone. */
  readonly isFine: boolean;
}

/** A timeline. Times grow by their size, so that milliseconds and days are both to be seen. */
export interface TimeLine {
  readonly lanes: readonly Lane[];
  /** Devices beyond those with a lane. */
  readonly more: number;
  readonly ticks: readonly Tick[];
  /** Whether a device still waits, so that the right end is now. */
  readonly isOpen: boolean;
}

/** Lanes of devices that can be read at a glance. */
const LANES_MAX = 20;
/** The scale is linear below it, and logarithmic above. */
const FIRST_MS = 10;
/** Ticks are not closer than this part of the width: on a desktop, and on a phone. */
const TICK_GAP = 0.11;
const COARSE_GAP = 0.3;

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const TICKS_MS = [
  10,
  100,
  SECOND,
  10 * SECOND,
  60 * SECOND,
  600 * SECOND,
  HOUR,
  6 * HOUR,
  24 * HOUR,
  168 * HOUR,
  720 * HOUR,
  8760 * HOUR,
];

/** Devices in these states may still get the message. */
const OPEN_STATES: readonly (string | null)[] = ['queued', 'sent', 'pushed'];

/** The timeline of a message. @param now Unix time in milliseconds: where the line of what still waits ends */
export function toTimeLine({ acceptedAt, devices, steps }: Told, now: number): TimeLine {
  const start = Date.parse(acceptedAt);
  // Clocks of nodes differ: nothing is shown before it was accepted.
  const since = (at: string | number): number => Math.max(0, (typeof at === 'number' ? at : Date.parse(at)) - start);
  const isOpen = devices.some(({ state }) => OPEN_STATES.includes(state));
  const ends = steps.map(({ at }) => since(at));
  const endMs = Math.max(FIRST_MS, ...ends, ...(isOpen ? [since(now)] : []));
  const toX = (elapsedMs: number): number =>
    Math.min(1, Math.log1p(elapsedMs / FIRST_MS) / Math.log1p(endMs / FIRST_MS));
  const toMarks = (of: readonly Step[]): Mark[] =>
    of.map(({ at, what }) => ({ x: toX(since(at)), what, elapsedMs: since(at) }));

  const ofMessage: Lane = {
    deviceId: undefined,
    marks: toMarks(steps.filter(({ deviceId }) => deviceId === undefined)),
    stretches: [],
  };
  const shown = devices.slice(0, LANES_MAX).map(({ deviceId, state }): Lane => {
    const marks = deviceId === null ? [] : toMarks(steps.filter((step) => step.deviceId === deviceId));
    return {
      deviceId,
      marks,
      stretches: toStretches(marks, OPEN_STATES.includes(state) ? toX(since(now)) : undefined),
    };
  });
  return {
    lanes: [ofMessage, ...shown],
    more: Math.max(0, devices.length - LANES_MAX),
    ticks: toTicks(endMs, { toX, isOpen }),
    isOpen,
  };
}

/** @param openEnd where the line of a device that still waits ends */
function toStretches(marks: readonly Mark[], openEnd: number | undefined): Stretch[] {
  const stretches: Stretch[] = [];
  let from = 0;
  let kind: Stretch['kind'] = 'waiting';
  for (const { x, what } of marks) {
    stretches.push({ from, to: x, kind });
    from = x;
    kind = what === 'sent' ? 'under-way' : 'waiting';
  }
  if (openEnd !== undefined && openEnd > from) stretches.push({ from, to: openEnd, kind: 'open' });
  return stretches.filter((stretch) => stretch.to > stretch.from);
}

interface Axis {
  readonly toX: (elapsedMs: number) => number;
  /** The right end has the label "now". */
  readonly isOpen: boolean;
}

function toTicks(endMs: number, { toX, isOpen }: Axis): Tick[] {
  const ticks: Tick[] = [{ x: 0, elapsedMs: 0, isFine: false }];
  const [end, coarseEnd] = isOpen ? [1 - TICK_GAP / 2, 1 - COARSE_GAP] : [1, 1];
  let coarseX = 0;
  for (const elapsedMs of TICKS_MS) {
    const x = toX(elapsedMs);
    if (elapsedMs > endMs || x > end) break;
    if (x - (ticks.at(-1)?.x ?? 0) < TICK_GAP) continue;
    const isFine = x - coarseX < COARSE_GAP || x > coarseEnd;
    if (!isFine) coarseX = x;
    ticks.push({ x, elapsedMs, isFine });
  }
  return ticks;
}

/** How long after the message was accepted, exact enough to compare: `+0 ms`, `+192 ms`, `+1.25 s`, `+3 min 5 s`. */
export function toElapsed(ms: number): string {
  if (ms < SECOND) return `+${Math.round(ms)} ms`;
  if (ms < 60 * SECOND) return `+${Number((ms / SECOND).toFixed(2))} s`;
  const units = [
    [24 * HOUR, 'd'],
    [HOUR, 'h'],
    [60 * SECOND, 'min'],
    [SECOND, 's'],
  ] as const;
  const first = units.findIndex(([size]) => ms >= size);
  const parts: string[] = [];
  let rest = ms;
  for (const [size, unit] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return `+${parts.join(' ')}`;
}
