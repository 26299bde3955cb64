import type { z } from 'zod';
import type { Route } from '#shared/contracts/contract.js';

/** The `data` of the answer of a route. */
export type Answer<R extends Route> = R extends { answer: infer A extends z.ZodType } ? z.output<A> : undefined;
