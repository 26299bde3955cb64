import { pino } from 'pino';

/** Bytes of lines that wait until standard output takes them again; further lines are lost. */
const WAITING_BYTES_MAX = 2 ** 20;

let lost = 0;

/** How many lines of this process were lost. */
export const lostLines = (): number => lost;

/**
 * Standard output for the log. Synchronous, as standard output itself is: what is written last is neither lost nor repeated when
 * the process ends. While its disk is full lines wait; when its reader has ended they are lost.
 * @param descriptor instead of that of standard output
 */
export function openLogOutput(descriptor = 1) {
  const output = pino.destination({ dest: descriptor, sync: true, maxLength: WAITING_BYTES_MAX });
  output.on('error', () => undefined);
  output.on('drop', () => {
    lost += 1;
  });
  return output;
}
