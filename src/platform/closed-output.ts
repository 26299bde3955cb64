/**
 * Lets the process go on when the reader of its output has ended, as in `npm start | head -1`. What is written afterwards is
 * lost. Other errors of the streams end the process.
 */
export function ignoreClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}
