import type { GatewaySocket } from '../../../sockets/socket.js';
import type { Cursors } from '../devices/cursors.js';
import { EVERYWHERE, isHeardOn, type KeyedRecipient } from '../message.js';
import type { Entry } from '../storage/entry.js';
import type { Device } from '../storage/mailboxes.js';
import { Outbox, type OutboxDependencies } from './outbox.js';
import type { MailboxSockets } from './sockets.js';

interface Dependencies extends OutboxDependencies {
  readonly sockets: MailboxSockets;
  readonly cursors: Cursors;
}

/**
 * The outboxes of the sockets of this node. Most sockets are idle at most times; of those only the position is kept, and an
 * outbox is created when there is something to send.
 */
export class Outboxes {
  readonly #dependencies: Dependencies;
  /**
   * All outboxes, so that they can be visited without visiting all sockets. Those of closed sockets stay until the next release.
   */
  readonly #open = new Set<Outbox>();

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  /** Creates the outbox of a socket that has just connected. */
  open(socket: GatewaySocket, recipient: KeyedRecipient): Outbox {
    const outbox = new Outbox(socket, { recipient, deviceId: socket.data.deviceId }, this.#dependencies);
    socket.data.outbox = outbox;
    this.#open.add(outbox);
    return outbox;
  }

  /** Messages that are sent or still to be sent, and not acknowledged. */
  get waiting(): number {
    let waiting = 0;
    for (const outbox of this.#open) if (isInUse(outbox)) waiting += outbox.waiting;
    return waiting;
  }

  /** Offers an entry to the sockets of its recipient. @returns how many there are on this node */
  offer(entry: Entry): number {
    const { recipient, position, namespace } = entry;
    const sockets = this.#dependencies.sockets.of(recipient);
    for (const socket of sockets) {
      const { data, nsp } = socket;
      if (data.outbox !== undefined) data.outbox.offer(entry);
      else if (position === data.position + 1 && !isHeardOn(nsp.name, namespace)) data.position = position;
      else if (position > data.position) this.#wake(socket, recipient).offer(entry);
    }
    return sockets.length;
  }

  /** Lets the sockets of a recipient know that an entry exists at a position. */
  notice(recipient: KeyedRecipient, position: number): void {
    for (const socket of this.#dependencies.sockets.of(recipient)) {
      const { outbox, position: own } = socket.data;
      if (outbox !== undefined) outbox.notice(position);
      else if (position > own) this.#wake(socket, recipient).notice(position);
    }
  }

  /** Whether a socket of a device was notified that it lost messages, at this revision of the device. */
  isTold(device: Device, revision: number): boolean {
    return this.#dependencies.sockets.outboxesOf(device).some(({ toldRevision }) => toldRevision === revision);
  }

  /** Releases the outbox of a socket if it is idle. */
  releaseIdle(socket: GatewaySocket): void {
    const { outbox } = socket.data;
    if (outbox === undefined || !outbox.isIdle) return;
    socket.data.position = outbox.position;
    socket.data.outbox = undefined;
    this.#open.delete(outbox);
    const { sockets, cursors } = this.#dependencies;
    // Most devices get nothing for a long time after they have connected.
    if (sockets.outboxesOf(outbox.device).length === 0) cursors.forget(outbox.device);
  }

  /** Releases all outboxes that are idle, and forgets those of sockets that have left. */
  releaseAllIdle(): void {
    for (const outbox of this.#open) {
      if (isInUse(outbox)) this.releaseIdle(outbox.socket);
      else this.#open.delete(outbox);
    }
  }

  /** Creates the outbox of an idle socket, which has acknowledged everything up to its position. */
  #wake(socket: GatewaySocket, recipient: KeyedRecipient): Outbox {
    const { position } = socket.data;
    const outbox = this.open(socket, recipient);
    const all = { upTo: position, holes: [] };
    const initial = { acked: { [socket.nsp.name]: all, [EVERYWHERE]: all }, start: 0, sent: {}, revision: undefined };
    outbox.resume({ cursor: this.#dependencies.cursors.of(outbox.device, initial), position, last: position });
    return outbox;
  }
}

const isInUse = (outbox: Outbox): boolean => !outbox.isClosed && outbox.socket.data.outbox === outbox;
