/** An event that a backend or a website emitted, as it was accepted. */
export interface EmittedEvent {
  readonly event: string;
  /** The arguments that clients get. */
  readonly args: readonly unknown[];
  /** As the caller named it: a namespace, or `*`. */
  readonly namespace: string;
  /** The recipient of an emit to one user. */
  readonly userId?: string;
  /** The recipients of a broadcast to one account. */
  readonly account?: string;
  /** The recipients of an event of a website. */
  readonly rooms?: readonly string[];
  readonly isDurable: boolean;
  /** Of a durable emit to one user. */
  readonly id?: string;
}

/** Observes what is emitted. Called once for calls that are repeated with the same idempotency key. */
export type OnEmitted = (emitted: EmittedEvent) => void;
