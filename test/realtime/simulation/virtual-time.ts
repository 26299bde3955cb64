import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';

type Task = () => void;

/** Stands in for a timer of Node.js. */
class VirtualTimer {
  isCancelled = false;
  /** Milliseconds since the start of the simulation. */
  at: number;
  /** Orders timers that are due at the same time. */
  readonly order: number;
  readonly task: Task;
  readonly intervalMs: number | undefined;

  constructor({ at, order, task, intervalMs }: Pick<VirtualTimer, 'at' | 'order' | 'task' | 'intervalMs'>) {
    this.at = at;
    this.order = order;
    this.task = task;
    this.intervalMs = intervalMs;
  }

  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return false;
  }
}

const realSetImmediate = setImmediate;

/** Resolves when no microtask and no `process.nextTick` is left. */
const settled = (): Promise<void> => new Promise((resolve) => void realSetImmediate(resolve));

/**
 * Time that stands still while code runs, and jumps to the next timer. While it is installed, the timers and clocks of Node.js
 * are its own, and random numbers and ids follow from the seed. So code that does no I/O runs the same way each time.
 */
export class VirtualTime {
  /** Milliseconds since the start of the simulation. */
  now = 0;
  /** Unix time at the start. */
  readonly #startAt = Date.UTC(2026, 0, 1);
  readonly #random: () => number;
  readonly #heap: VirtualTimer[] = [];
  #orders = 0;
  #undo: Task[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Unix time in milliseconds. */
  unix = (): number => this.#startAt + Math.floor(this.now);

  after(delayMs: number, task: Task, intervalMs?: number): VirtualTimer {
    const delay = Number.isFinite(delayMs) ? Math.max(0, delayMs) : 0;
    const timer = new VirtualTimer({ at: this.now + delay, order: this.#orders++, task, intervalMs });
    this.#push(timer);
    return timer;
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** Runs everything that is due until a time. @throws what a timer throws */
  async runUntil(endAt: number): Promise<void> {
    await settled();
    for (let timer = this.#next(); timer !== undefined && timer.at <= endAt; timer = this.#next()) {
      this.#pop();
      this.now = timer.at;
      timer.task();
      if (timer.intervalMs !== undefined && !timer.isCancelled) {
        timer.at += timer.intervalMs;
        this.#push(timer);
      }
      await settled();
    }
    this.now = Math.max(this.now, endAt);
  }

  /** Lets time pass until a promise has settled. */
  async runThrough<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    promise.then(
      () => {
        isDone = true;
      },
      () => {
        isDone = true;
      },
    );
    await settled();
    while (!isDone) {
      const next = this.#next();
      if (next === undefined) throw new Error('nothing is left that could settle the promise');
      await this.runUntil(next.at);
    }
    return promise;
  }

  /** Takes the place of timers, clocks and random numbers. */
  install(): void {
    const cancel = (timer: unknown): void => {
      if (timer instanceof VirtualTimer) timer.isCancelled = true;
    };
    const every = (task: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): VirtualTimer =>
      this.after(Math.max(1, ms), () => task(...args), Math.max(1, ms));
    const after = (task: (...args: unknown[]) => void, ms = 1, ...args: unknown[]): VirtualTimer =>
      this.after(Math.max(1, ms), () => task(...args));
    const soon = (task: (...args: unknown[]) => void, ...args: unknown[]): VirtualTimer =>
      this.after(0, () => task(...args));
    this.#replace(globalThis, {
      setTimeout: after,
      setInterval: every,
      setImmediate: soon,
      clearTimeout: cancel,
      clearInterval: cancel,
      clearImmediate: cancel,
    });
    this.#replace(performance, { now: () => this.now });
    this.#replace(Date, { now: this.unix });
    this.#replace(Math, { random: this.#random });
    const delay = (ms = 1, value?: unknown): Promise<unknown> => this.wait(Math.max(1, ms)).then(() => value);
    this.#replace(timersPromises, { setTimeout: delay });
    this.#replace(crypto, { randomUUID: () => this.#uuid() });
    syncBuiltinESMExports();
  }

  uninstall(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
    syncBuiltinESMExports();
  }

  #replace(target: object, replacements: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(replacements)) {
      const former = Object.getOwnPropertyDescriptor(target, name);
      Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: true });
      this.#undo.push(() => {
        if (former === undefined) Reflect.deleteProperty(target, name);
        else Object.defineProperty(target, name, former);
      });
    }
  }

  #uuid(): string {
    const digits = Array.from({ length: 32 }, () => Math.floor(this.#random() * 16).toString(16)).join('');
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }

  #next(): VirtualTimer | undefined {
    while (this.#heap[0]?.isCancelled === true) this.#pop();
    return this.#heap[0];
  }

  #push(timer: VirtualTimer): void {
    const heap = this.#heap;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(timer, heap[parent])) break;
      heap[index] = heap[parent] as VirtualTimer;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as VirtualTimer, heap[child])) child += 1;
      if (child >= heap.length || !isBefore(heap[child] as VirtualTimer, last)) break;
      heap[index] = heap[child] as VirtualTimer;
      index = child;
    }
    heap[index] = last;
  }
}

const isBefore = (one: VirtualTimer, other: VirtualTimer | undefined): boolean =>
  other === undefined || one.at < other.at || (one.at === other.at && one.order < other.order);
