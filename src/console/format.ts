/** A number that is not known is shown as this. */
export const UNKNOWN = '–';

type Measured = number | null | undefined;

const isKnown = (value: Measured): value is number => Number.isFinite(value);

/** `12345.6` → `12,346`; below 100 with one decimal, below 1 with two. */
export function formatNumber(value: Measured): string {
  if (!isKnown(value)) return UNKNOWN;
  const decimals = DECIMALS.findIndex((limit) => Math.abs(value) >= limit);
  return value.toLocaleString('en', { maximumFractionDigits: decimals });
}

/** `1` and `socket` → `1 socket`; `1200` → `1,200 sockets`. */
export const countOf = (count: number, noun: string): string =>
  `${formatNumber(count)} ${noun}${count === 1 ? '' : 's'}`;

/** For axes and tiles: `12,345` → `12.3k`. */
export function formatShort(value: Measured): string {
  if (!isKnown(value)) return UNKNOWN;
  const [size, unit] = SIZES.find(([limit]) => Math.abs(value) >= limit * 9.9995) ?? [1, ''];
  return `${formatNumber(value / size)}${unit}`;
}

/** Bytes in binary units: `1536` → `1.5 KiB`. */
export function formatBytes(bytes: Measured): string {
  if (!isKnown(bytes)) return UNKNOWN;
  let value = bytes;
  let unit = 0;
  while (value >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${formatNumber(value)} ${BYTE_UNITS[unit]}`;
}

/** `0.42` → `0.42 ms`, `12_345` → `12.3 s`. */
export function formatMs(ms: Measured): string {
  if (!isKnown(ms)) return UNKNOWN;
  return Math.abs(ms) < 999.5 ? `${formatNumber(ms)} ms` : `${formatNumber(ms / 1000)} s`;
}

/** The two largest units: `90_061_000` → `1 d 1 h`; below a minute `42 s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const first = DURATIONS.findIndex(([size]) => seconds >= size);
  const [size, unit] = DURATIONS[first] ?? [1, 's'];
  const [nextSize, nextUnit] = DURATIONS[first + 1] ?? [0, ''];
  const rest = nextSize === 0 ? 0 : Math.floor((seconds % size) / nextSize);
  const head = `${Math.floor(seconds / size)} ${unit}`;
  return rest === 0 ? head : `${head} ${rest} ${nextUnit}`;
}

/** Marks that change the direction of the text after them. */
const DIRECTION_MARKS = /[\u202a-\u202e\u2066-\u2069]/g;

/** A name within a text: whatever its direction is, the text around it keeps its own. */
export const isolate = (name: string): string => `\u2068${name.replace(DIRECTION_MARKS, '\ufffd')}\u2069`;

/** The local time of day, with the date when it is another day than `now`. */
export function formatTime(time: Date, now: Date): string {
  if (Number.isNaN(time.getTime())) return UNKNOWN;
  const clock = time.toLocaleTimeString('en-GB');
  return time.toDateString() === now.toDateString() ? clock : `${toDay(time)} ${clock}`;
}

/** `2026-05-01`, in the local time zone. */
const toDay = (time: Date): string =>
  [time.getFullYear(), time.getMonth() + 1, time.getDate()].map((part) => String(part).padStart(2, '0')).join('-');

/** From which size a number has 0, 1 and 2 decimals. */
const DECIMALS = [99.95, 0.995, 0];
const SIZES = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const DURATIONS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
] as const;
