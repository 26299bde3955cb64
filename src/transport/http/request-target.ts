import type { RequestListener } from 'node:http';

/**
 * Lets `answer` see a path where a request has the absolute form (`GET http://host/path`, RFC 9112, 3.2.2). Express would read it
 * with a parser that Node.js is going to remove, and that warns on the standard error.
 */
export const withPath = (answer: RequestListener): RequestListener =>
  function answerByPath(request, response) {
    request.url = toPath(request.url ?? '/');
    answer(request, response);
  };

/** The path and query of a target. One that is no URL becomes a path that does not exist. */
export function toPath(target: string): string {
  if (target.startsWith('/') || target === '*') return target;
  if (!URL.canParse(target)) return `/${target}`;
  const { pathname, search } = new URL(target);
  return pathname.startsWith('/') ? `${pathname}${search}` : `/${pathname}${search}`;
}
