/** What an application registers for events. */
export type Handler = (...args: never[]) => unknown;

/** What it registers for events without a handler of their own. */
export type OtherHandler = (event: string, ...args: unknown[]) => unknown;

/** The handlers of the application, by event. */
export class Handlers {
  readonly #byEvent = new Map<string, Set<Handler>>();
  readonly #others = new Set<OtherHandler>();

  /** @returns ends it */
  on(event: string, handler: Handler): () => void {
    const handlers = this.#byEvent.get(event) ?? new Set();
    this.#byEvent.set(event, handlers);
    return added(handlers, handler);
  }

  /** @returns ends it */
  onOther(handler: OtherHandler): () => void {
    return added(this.#others, handler);
  }

  /** Calls all handlers of an event. Rejects when one of them fails. @returns `undefined`: there is none */
  dispatch(event: string, args: readonly unknown[]): Promise<unknown> | undefined {
    const handlers = [...(this.#byEvent.get(event) ?? [])];
    if (handlers.length > 0) return Promise.all(handlers.map(async (handler) => handler(...(args as never[]))));
    if (this.#others.size === 0 || event.startsWith('_')) return undefined;
    return Promise.all([...this.#others].map(async (handler) => handler(event, ...args)));
  }
}

/** Adds an item to a set. @returns removes it */
export function added<T>(to: Set<T>, item: T): () => void {
  to.add(item);
  return () => void to.delete(item);
}
