import { pino } from 'pino';

/** Bytes of lines that wait until standard output takes them again; further lines are lost. */
const WAITING_BYTES_MAX = 2 ** 20;

/**
 * Standard output for the log. Synchronous, as standard output itself is: what is written last is neither lost nor repeated when
 * the process ends. While its disk is full lines wait; when its reader has ended they are lost.
 */
export function openLogOutput() {
  const output = pino.destination({ dest: 1, sync: true, maxLength: WAITING_BYTES_MAX });
  output.on('error', () => undefined);
  return output;
}
