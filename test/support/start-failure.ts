/**
 * Why a start fails that tries again until its time limit. A loaded machine may not know the reason within a short limit, so
 * the limit doubles until it does.
 * @returns the text of the error; `started` when there is none
 */
export async function startFailureOf(start: (startupTimeoutMs: number) => Promise<unknown>): Promise<string> {
  for (let limitMs = 200; ; limitMs *= 2) {
    const text = await start(limitMs).then(
      () => 'started',
      (thrown: unknown) => String(thrown),
    );
    if (!/no answer yet|not connected to the Redis Cluster/.test(text)) return text;
  }
}
