import type { Request, RequestHandler, Response } from 'express';

/**
 * Joins middleware that sets the same headers on every response into one that only sets them:
 * each is asked once, now, instead of for every request.
 *
 * @throws Error when one of them does not call `next` at once
 */
export function setAlways(...middleware: readonly RequestHandler[]): RequestHandler {
  const headers = new Map<string, string>();
  const recorder = {
    setHeader: (name: string, value: string) => headers.set(name, value),
    removeHeader: (name: string) => headers.delete(name),
  };
  let passed = 0;
  for (const handle of middleware) {
    void handle({ headers: {} } as Request, recorder as unknown as Response, (error?: unknown) => {
      passed += error === undefined ? 1 : 0;
    });
  }
  if (passed !== middleware.length) throw new Error('middleware that looks at the request cannot be asked beforehand');
  const pairs = [...headers];
  return (_request, response, next) => {
    for (const [name, value] of pairs) response.setHeader(name, value);
    next();
  };
}
