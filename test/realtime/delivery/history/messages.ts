/** Orders what happens: calls, answers, and what devices are told. */
export class Timeline {
  #last = 0;

  next(): number {
    this.#last += 1;
    return this.#last;
  }
}

/** A message that was sent, and what its sender knows of it. */
export interface Message {
  readonly name: string;
  readonly user: string;
  readonly namespace: string;
  readonly hasTtl: boolean;
  /** When its first call began. */
  readonly begunAt: number;
  /** When a call was answered with success; `undefined`: none was. */
  answeredAt: number | undefined;
  id: string | undefined;
}
