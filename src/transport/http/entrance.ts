import type { RequestListener } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import type { Entrance } from '../../framework/entrance.js';
import { addressKeyOf } from '../connections/address.js';
import { type Answering, answerFailure } from './answers.js';

interface Options {
  readonly entrance: Entrance;
  /** Answers what goes on to the routes, and everything else. */
  readonly answer: RequestListener;
  /** Set the headers of a refusal. */
  readonly headers: readonly RequestHandler[];
  readonly answering: Answering;
  readonly trustedProxies: number;
}

/** Puts an entrance in front of the routes. */
export function withEntrance({ entrance, answer, headers, answering, trustedProxies }: Options): RequestListener {
  return function answerByEntrance(request, response) {
    if (!entrance.isOf(request.url ?? '')) return answer(request, response);
    try {
      const { remoteAddress: address = '' } = request.socket;
      const key = addressKeyOf({ address, headers: request.headers }, trustedProxies);
      if (!entrance.enter(request, response, key)) answer(request, response);
    } catch (thrown) {
      // The handlers of the headers and of failures use nothing that only Express adds to a request.
      const failed = { request: request as Request, response: response as Response };
      for (const setHeaders of headers) void setHeaders(failed.request, failed.response, () => undefined);
      answerFailure(thrown, { ...failed, answering });
    }
  };
}
