/** What is sent from one process to the other. */
type Message =
  | { readonly call: string; readonly body: unknown; readonly id: number }
  | { readonly answer: number; readonly value: unknown }
  | { readonly answer: number; readonly failure: Failure };

/** Why a call failed. */
interface Failure {
  readonly message: string;
  /** Of the process that ends because of it. */
  readonly exitCode?: number | undefined;
}

/** The process at the other end, as `process` and the workers of `node:cluster` are. */
export interface Line {
  /** @returns whether it was sent */
  send(message: unknown): boolean;
  /** @param listener also gets messages that are not of {@link createCalls} */
  onMessage(listener: (message: unknown) => void): void;
}

/** Named calls with one argument each; the answer is their result. */
export type Calls = { readonly [name: string]: (body: never) => unknown };

/** Calls the process at the other end. */
export interface Peer<Theirs extends Calls> {
  /** @throws CallError when the call failed there, or the process ends before it answers */
  call<Name extends keyof Theirs & string>(
    name: Name,
    body: Parameters<Theirs[Name]>[0],
  ): Promise<Awaited<ReturnType<Theirs[Name]>>>;
  /** The other process has ended: calls without an answer fail with this. */
  end(failure: Failure): void;
}

/** A call failed at the other process. */
export class CallError extends Error {
  override readonly name = 'CallError';
  /** What the other process ends with. */
  readonly exitCode: number | undefined;

  constructor({ message, exitCode }: Failure) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Answers the calls of the other process by `own`, and calls it. */
export function createCalls<Theirs extends Calls>(line: Line, own: Calls): Peer<Theirs> {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let ended: Failure | undefined;
  let lastId = 0;

  const answer = async (name: string, body: unknown): Promise<{ value: unknown } | { failure: Failure }> => {
    try {
      return { value: await own[name]?.(body as never) };
    } catch (error) {
      const { message, exitCode } = error as { message?: unknown; exitCode?: unknown };
      const code = typeof exitCode === 'number' ? exitCode : undefined;
      return { failure: { message: String(message ?? error), exitCode: code } };
    }
  };

  line.onMessage((received) => {
    if (typeof received !== 'object' || received === null) return;
    const message = received as Message;
    if ('call' in message) {
      void answer(message.call, message.body).then((result) => line.send({ answer: message.id, ...result }));
    } else if ('answer' in message) {
      const call = waiting.get(message.answer);
      waiting.delete(message.answer);
      if ('failure' in message) call?.reject(new CallError(message.failure));
      else call?.resolve(message.value);
    }
  });

  const end = (failure: Failure): void => {
    ended = failure;
    for (const { reject } of waiting.values()) reject(new CallError(failure));
    waiting.clear();
  };

  return {
    call(name, body) {
      return new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(new CallError(ended));
        lastId += 1;
        waiting.set(lastId, { resolve: resolve as (value: unknown) => void, reject });
        line.send({ call: name, body, id: lastId });
      });
    },
    end,
  };
}
