import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { expect, onTestFinished } from 'vitest';
import { API_KEY } from './gateway.js';
import { until } from './until.js';

/** Reads a stream of JSON lines as they come, until the test ends. @param headers with the credential; absent: the API key */
export async function openLines(
  gateway: { readonly url: string },
  path: string,
  headers: Readonly<Record<string, string>> = { 'x-api-key': API_KEY },
) {
  const controller = new AbortController();
  const { signal } = controller;
  const response = await fetch(gateway.url + path, { headers, signal });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into an answer without declaring its form again
  const records: any[] = [];
  let isEnded = false;
  const lines = createInterface({ input: Readable.fromWeb(response.body as never) });
  lines.on('line', (line) => line !== '' && records.push(JSON.parse(line)));
  lines.on('error', () => undefined);
  lines.on('close', () => {
    isEnded = true;
  });
  onTestFinished(() => controller.abort());
  const close = (): void => controller.abort();
  return { records, isEnded: () => isEnded, close, has: (count: number) => until(() => records.length >= count) };
}
