import type { JSX } from 'preact';
import type { inspection } from '#shared/contracts/inspection.js';
import type { Answer } from '../../api.js';

/** A user, as the route answers. */
export type User = Answer<typeof inspection.routes.user>;

/** What an act tells when it is done, and what it lets load again. */
export interface ActContext {
  readonly userId: string;
  readonly done: (notice: JSX.Element | string) => void;
}
