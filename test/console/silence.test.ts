import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connection, request } from '../../src/console/api.js';
import { toTexts } from '../../src/console/views/live/stream.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** As `fetch` to a node that hangs. */
const hangs = (_url: string, { signal }: RequestInit): Promise<never> =>
  new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
  });

test('a call to a node that hangs fails, and the page says that there is no answer', async () => {
  vi.stubGlobal('fetch', hangs);
  const failed = expect(request('/cluster')).rejects.toMatchObject({ code: 'NO_ANSWER' });
  await vi.advanceTimersByTimeAsync(60_000);
  await failed;
  expect(connection.value.isAnswering).toBe(false);
});

test('a time that the page measures is that of the gateway, whose clock differs from that of the browser', async () => {
  const gatewayTime = Date.now() + 3_600_000;
  const date = new Date(gatewayTime).toUTCString();
  vi.stubGlobal('fetch', async () => Response.json({}, { headers: { date } }));
  await request('/cluster');
  // The header has whole seconds.
  expect(Math.abs(connection.value.since - gatewayTime)).toBeLessThanOrEqual(1000);
  vi.stubGlobal('fetch', async () => Response.json({}, { headers: { date: new Date().toUTCString() } }));
  await request('/cluster');
  expect(connection.value.since).toBe(Date.now());
});

test('a call that a view gives up is no failure of the gateway', async () => {
  connection.value = { isAnswering: true, since: 0 };
  vi.stubGlobal('fetch', hangs);
  const ending = new AbortController();
  const failed = expect(request('/cluster', { signal: ending.signal })).rejects.toMatchObject({ name: 'AbortError' });
  ending.abort();
  await failed;
  expect(connection.value.isAnswering).toBe(true);
});

test('a stream goes on as long as there are heartbeats, and fails in silence', async () => {
  let send: (text: string) => void = () => undefined;
  const cancel = vi.fn();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      send = (text) => controller.enqueue(new TextEncoder().encode(text));
    },
    cancel,
  });
  const texts = toTexts({ body });
  for (const text of ['{"a":1}\n', '\n', '\n', '\n']) {
    const next = texts.next();
    await vi.advanceTimersByTimeAsync(15_000);
    send(text);
    expect((await next).done).toBe(false);
  }
  const failed = expect(texts.next()).rejects.toThrow('silent');
  await vi.advanceTimersByTimeAsync(60_000);
  await failed;
  expect(cancel).toHaveBeenCalledOnce();
});
