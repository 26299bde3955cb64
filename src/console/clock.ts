import { signal } from '@preact/signals';

/** The time, to the second. Views that say how long ago something was read it. */
export const now = signal(Date.now());

/** Lets {@link now} go on. Called once, at the start. */
export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, 1000);
}
