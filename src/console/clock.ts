import { signal } from '@preact/signals';

/** The time of the gateway, to the second. Views that say how long ago something was read it. */
export const now = signal(Date.now());

/** Below it a difference may be only that of an answer on its way, and of a header without milliseconds. */
const LEAST_MS = 5000;

/** How much the clock of the gateway is ahead of that of the browser. */
let aheadMs = 0;

/** The time of the gateway. What is shown beside times of the gateway is measured by it, not by the clock of the browser. */
export const currentTime = (): number => Date.now() + aheadMs;

/** Lets {@link now} go on. Called once, at the start. */
export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) now.value = currentTime();
  }, 1000);
}

/** Learns the time of the gateway from the header `Date` of an answer. */
export function noteServerTime(date: string | null): void {
  const difference = Date.parse(date ?? '') - Date.now();
  if (Number.isNaN(difference)) return;
  aheadMs = Math.abs(difference) < LEAST_MS ? 0 : difference;
}
