import type { TestGateway, TestResponse } from '../../support/gateway.js';

/** The headers that a browser and the page of the console send. */
export const OF_PAGE: Readonly<Record<string, string>> = { 'x-console': '1', 'sec-fetch-site': 'same-origin' };

/** Logs in, as the page does. @returns the cookie */
export async function logIn(gateway: TestGateway, key: string): Promise<string> {
  const answer = await gateway.call('POST', '/console/api/session', { key }, { 'x-api-key': '', ...OF_PAGE });
  const [cookie = ''] = answer.headers.get('set-cookie')?.split(';') ?? [];
  if (answer.status !== 200 || cookie === '') throw new Error(answer.text);
  return cookie;
}

/** A call of the page. @param path below `/console/api` */
export const callAs =
  (gateway: TestGateway, cookie: string) =>
  (
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = OF_PAGE,
  ): Promise<TestResponse> =>
    gateway.call(method, `/console/api${path}`, body, { 'x-api-key': '', cookie, ...headers });
