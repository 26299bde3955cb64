import { z } from 'zod';
import type { TaskTracker } from '../../../platform/concurrency/task-tracker.js';
import type { Clock } from '../../../platform/time/clock.js';
import { type Bus, ofForm } from '../../bus.js';
import { parseRecipient } from '../message.js';
import { announcePlaces } from '../outbox/notifications.js';
import type { Outboxes } from '../outbox/outboxes.js';
import type { LogPoll } from './log-poll.js';

/** How often the log is polled for entries whose notifications were lost. */
const POLL_INTERVAL_MS = 4000;
/** A node polls up to so much later than the one that has polled last would: so usually only that one polls. */
const TURN_MS = 1500;
/** A message takes less from node to node: a connection that is silent for so long is dropped, which is a gap. */
const LATENCY_MS = 5000;
/** Nodes announce here that they have polled. */
const POLLED_TOPIC = 'delivery.polled';

interface Polled {
  /** How long ago the poll has begun. */
  readonly tookMs: number;
}

const polledForm = z.object({ tookMs: z.number().min(0) });

interface Dependencies {
  readonly poll: LogPoll;
  readonly outboxes: Pick<Outboxes, 'notice'>;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly tasks: TaskTracker;
  /** From 0 to 1; absent: random. */
  readonly random?: () => number;
}

/**
 * One node polls the log for all. It notifies the nodes that are concerned of what it has found, then all nodes that it has
 * polled, and the others put off their own polls. So what polling costs does not grow with the number of nodes. A node
 * trusts the others only while it has missed none of their messages: otherwise it polls by itself, and what it has missed is
 * in the part of the log that it reads. Every entry is found within 10 s of its storage, whatever was lost.
 */
export class PollCoordinator {
  readonly #dependencies: Dependencies;
  /** {@link Bus.gaps} when this node or another one polled last. */
  #gaps: number | undefined;
  #cancel = (): void => undefined;
  /** Another node has polled since this one has begun to. */
  #hasAccepted = false;
  #isStopped = false;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** @returns stops it */
  start(): () => void {
    this.#dependencies.bus.subscribe(
      POLLED_TOPIC,
      ofForm(polledForm, (polled) => this.#accept(polled)),
    );
    this.#schedule(POLL_INTERVAL_MS);
    return () => {
      this.#isStopped = true;
      this.#cancel();
    };
  }

  #schedule(afterMs: number): void {
    const { clock, tasks } = this.#dependencies;
    this.#cancel();
    if (this.#isStopped) return;
    this.#cancel = clock.after(afterMs, () => {
      this.#hasAccepted = false;
      // Two that have polled at once would do so again and again.
      const scheduleNext = (): void => this.#schedule(this.#hasAccepted ? this.#turnMs() : POLL_INTERVAL_MS);
      tasks.run(this.#poll().finally(scheduleNext));
    });
  }

  /** After the poll of another node. */
  #turnMs(): number {
    const { random = Math.random } = this.#dependencies;
    return POLL_INTERVAL_MS + (TURN_MS * (1 + random())) / 2;
  }

  async #poll(): Promise<void> {
    const { poll, outboxes, bus, clock } = this.#dependencies;
    const startedAt = clock.now();
    const gaps = bus.gaps();
    const found = [...(await poll.run())].flatMap(([key, place]) => {
      const recipient = parseRecipient(key);
      return recipient === undefined ? [] : { recipient, ...place };
    });
    this.#gaps = gaps;
    for (const { recipient, position } of found) outboxes.notice(recipient, position);
    if (await announcePlaces(bus, found)) {
      bus.publish(POLLED_TOPIC, { tookMs: clock.now() - startedAt } satisfies Polled);
    }
  }

  /** Another node has polled, and has notified this one of everything that concerns it. */
  #accept({ tookMs }: Polled): void {
    const { poll, bus, clock } = this.#dependencies;
    const gaps = bus.gaps();
    if (gaps === undefined || gaps !== this.#gaps) return;
    poll.skipTo(clock.now() - tookMs - LATENCY_MS);
    this.#hasAccepted = true;
    this.#schedule(this.#turnMs());
  }
}
