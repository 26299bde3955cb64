/** Calls that tell why a user did not get a message. */
import type { inspection } from '../contracts/inspection.js';
import type { AnswerOf } from './types.js';

type Routes = (typeof inspection)['routes'];
type Answer<R extends keyof Routes> = AnswerOf<Routes[R]>;

interface Calls {
  read<A>(path: string, query?: Readonly<Record<string, unknown>>): Promise<A>;
}

/** Users and messages, as they are now. */
export function createInspection({ read }: Calls) {
  return {
    /** The user with this id, and users whose name begins with the text; at most 20. */
    findUsers: (search: string) => read<Answer<'users'>>('/users', { search }),

    /** Sockets, devices and counters of a user. */
    inspectUser: (userId: string) => read<Answer<'user'>>(`/users/${encodeURIComponent(userId)}`),

    /** What became of a durable message, device by device. */
    inspectMessage: (id: string) => read<Answer<'message'>>(`/messages/${encodeURIComponent(id)}`),

    /** The same by the idempotency key of the call that sent it. */
    inspectMessageOf: (idempotencyKey: string) => read<Answer<'messages'>>('/messages', { idempotencyKey }),
  };
}
