/**
 * Lets the process go on when its output cannot be written: the reader has ended, as in `npm start | head -1`, or the disk of a log
 * file is full.
 */
export function ignoreOutputErrors(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
