import { Decoder, Encoder, PacketType } from 'socket.io-parser';
import { publishedContracts } from '#shared/contracts/index.js';
import { GatewayError, invalid } from '../errors.js';
import { ensureBoundedJson } from '../platform/json-bounds.js';
import type { Clock } from '../platform/time/clock.js';

/** Maximum number of elements in the data of one event: ten times the largest valid event. */
const EVENT_ELEMENTS_MAX = 10_000;
/** Maximum number of elements in the credentials of a CONNECT, and in the packet of an attachment. */
const FEW_ELEMENTS_MAX = 100;
/** Packets up to this many characters are parsed at once; the arguments of larger ones after the caller's limits. */
const SURELY_CHEAP = 1024;
/** Maximum length of the packet of an attachment. */
const ANNOUNCEMENT_MAX = 8192;
/** As in Socket.IO, which closes the connection above that. */
const ATTACHMENTS_MAX = 10;

/** Unparsed arguments of an event, in their place in the packet. */
export class UnreadArguments {
  /** Characters of the text that is kept for them. */
  readonly size: number;
  #read: (() => readonly unknown[]) | undefined;

  constructor(size: number, read: () => readonly unknown[]) {
    this.size = size;
    this.#read = read;
  }

  /**
   * To be called once: the text is not kept.
   * @throws GatewayError `VALIDATION_ERROR`; `UNAVAILABLE` for an attachment that did not arrive in time
   */
  read(): readonly unknown[] {
    const read = this.#read;
    this.#read = undefined;
    if (read === undefined) throw new Error('the arguments were read before');
    return read();
  }
}

interface Options {
  clock: Clock;
  /** Maximum packet length of an unauthenticated client, in characters. */
  openMax: number;
  /** Time limit for an attachment to arrive completely. */
  attachmentTimeoutMs: number;
}

/** The decoder of one connection. */
export interface GatedDecoder {
  /** Raises the packet limit to that of authenticated clients. */
  openGate(): void;
}

/** Whether a decoder was created by this file. */
export const isGated = (decoder: object): decoder is GatedDecoder => 'openGate' in decoder;

const EVENT = String(PacketType.EVENT);

/** The head of a text packet: type, attachments, namespace, id. The rest is JSON, or empty. */
const HEAD = /^([0-6])(?:(\d{1,3})-)?(?:(\/[^,]*)(?:,|$))?(\d{0,16})/;
/** The name of an event at the beginning of its JSON; longer names are truncated. */
const NAME = /^\[\s*(?:"((?:[^"\\]|\\["\\/bfnrt]|\\u[\da-fA-F]{4}){0,128})|(-?\d[\d.eE+-]{0,40}))/;

interface Head {
  readonly type: number;
  readonly attachments: number;
  readonly nsp: string;
  readonly id: number | undefined;
  readonly json: string;
}

/**
 * Socket.IO's parser, extended to check the head of each packet before it parses the rest:
 *
 * - Binary is accepted only for events whose contract declares it, with one attachment. Other packets with binary are dropped,
 *   and their event is answered by `VALIDATION_ERROR`. The packet of an attachment is parsed when the attachment has arrived.
 * - The arguments of large events become {@link UnreadArguments}, so that rate limits are checked before they are parsed.
 * - Arguments of acknowledgements are not parsed, because they have no meaning.
 *
 * @returns for Socket.IO's option `parser`
 */
export function createPacketParser({ clock, openMax, attachmentTimeoutMs }: Options) {
  class PacketDecoder extends Decoder implements GatedDecoder {
    #isOpen = false;
    /** Attachments to come that are discarded. */
    #unwanted = 0;
    #announcement: { readonly packet: string; cancel(): void } | undefined;

    openGate(): void {
      this.#isOpen = true;
    }

    override add(packet: unknown): void {
      if (typeof packet === 'string') this.#addText(packet);
      else this.#addBinary(packet);
    }

    override destroy(): void {
      this.#forgetAnnouncement();
      super.destroy();
    }

    #addText(packet: string): void {
      if (this.#unwanted > 0 || this.#announcement !== undefined) throw new Error('text instead of an attachment');
      if (!this.#isOpen && packet.length > openMax) throw new Error('too large for a client without a token');
      if (packet.length <= SURELY_CHEAP && packet.startsWith(EVENT)) super.add(packet);
      else this.#addHeaded(packet, readHead(packet));
    }

    #addHeaded(packet: string, head: Head): void {
      const { type, json } = head;
      if (type === PacketType.EVENT) this.#emitEvent(head, () => parseLarge(json));
      else if (type === PacketType.ACK || type === PacketType.BINARY_ACK) this.#addAcknowledgement(head);
      else if (type === PacketType.BINARY_EVENT) this.#addAnnouncement(packet, head);
      else if (type === PacketType.CONNECT || (type === PacketType.DISCONNECT && json === '')) {
        ensureBoundedJson(json, FEW_ELEMENTS_MAX);
        super.add(packet);
      } else throw new Error('not a packet of a client');
    }

    #addAcknowledgement({ type, attachments, nsp, id, json }: Head): void {
      if (!json.startsWith('[')) throw new Error('an acknowledgement that is no list');
      this.#skip(type === PacketType.BINARY_ACK ? attachments : 0);
      this.emitReserved('decoded', { type: PacketType.ACK, nsp, data: [], ...(id === undefined ? {} : { id }) });
    }

    #addAnnouncement(packet: string, head: Head): void {
      const { attachments, nsp, json } = head;
      const refusal = refusalOfAnnouncement(head);
      if (refusal === undefined) {
        const cancel = clock.after(attachmentTimeoutMs, () => this.#giveUp(head));
        this.#announcement = { packet, cancel };
      } else {
        if (nameOf(json) === undefined) throw new Error(`an event without a name on ${nsp}`);
        this.#skip(attachments);
        this.#emitEvent(head, () => {
          throw refusal;
        });
      }
    }

    #addBinary(attachment: unknown): void {
      if (this.#unwanted > 0) {
        this.#unwanted -= 1;
        return;
      }
      const { packet } = this.#announcement ?? {};
      this.#forgetAnnouncement();
      if (packet !== undefined) super.add(packet);
      super.add(attachment);
    }

    #skip(attachments: number): void {
      if (attachments > ATTACHMENTS_MAX) throw new Error('too many attachments');
      this.#unwanted = attachments;
    }

    #giveUp(head: Head): void {
      this.#announcement = undefined;
      this.#unwanted = 1;
      this.#emitEvent(head, () => {
        throw new GatewayError('UNAVAILABLE', { retryAfterMs: 1000 });
      });
    }

    #forgetAnnouncement(): void {
      this.#announcement?.cancel();
      this.#announcement = undefined;
    }

    #emitEvent({ nsp, id, json }: Head, read: () => readonly unknown[]): void {
      const name = nameOf(json);
      if (name === undefined) throw new Error('an event without a name');
      const data = [name, new UnreadArguments(json.length, read)];
      this.emitReserved('decoded', { type: PacketType.EVENT, nsp, data, ...(id === undefined ? {} : { id }) });
    }
  }
  return { Encoder: TextEncoder, Decoder: PacketDecoder };
}

/** No contract sends binary, so no payload is searched for it. */
class TextEncoder extends Encoder {
  override encode(packet: Parameters<Encoder['encode']>[0]): string[] {
    return [this.#toText(packet)];
  }

  /** As in Socket.IO. */
  #toText({ type, nsp, id, data }: Parameters<Encoder['encode']>[0]): string {
    const head = `${type}${nsp === undefined || nsp === '/' ? '' : `${nsp},`}${id ?? ''}`;
    return data === undefined || data === null ? head : head + JSON.stringify(data);
  }
}

function readHead(packet: string): Head {
  const [whole, type, attachments, nsp = '/', id] = HEAD.exec(packet) ?? [];
  if (whole === undefined) throw new Error('no packet');
  const isBinary = Number(type) >= PacketType.BINARY_EVENT;
  if (isBinary !== (attachments !== undefined) || attachments === '0') throw new Error('illegal attachments');
  return {
    type: Number(type),
    attachments: Number(attachments ?? 0),
    nsp,
    id: id === undefined || id === '' ? undefined : Number(id),
    json: packet.slice(whole.length),
  };
}

function nameOf(json: string): string | undefined {
  const [, text, number] = NAME.exec(json) ?? [];
  return text === undefined ? number : (JSON.parse(`"${text}"`) as string);
}

function parseLarge(json: string): readonly unknown[] {
  ensureBoundedJson(json, EVENT_ELEMENTS_MAX);
  try {
    return (JSON.parse(json) as unknown[]).slice(1);
  } catch {
    throw invalid('', 'is not JSON');
  }
}

/** Why an event with attachments is refused before they arrive; `undefined`: it is accepted. */
function refusalOfAnnouncement({ nsp, attachments, json }: Head): unknown {
  if (!binaryEvents.has(`${nsp} ${nameOf(json)}`)) return invalid('', 'must not be binary');
  if (attachments > 1) return invalid('', 'must have one attachment');
  if (json.length > ANNOUNCEMENT_MAX) {
    return invalid('', `must be at most ${ANNOUNCEMENT_MAX} characters besides the bytes`);
  }
  try {
    ensureBoundedJson(json, FEW_ELEMENTS_MAX);
    return undefined;
  } catch (refusal) {
    return refusal;
  }
}

/** The events that accept binary, with their namespaces. */
const binaryEvents: ReadonlySet<string> = new Set(
  publishedContracts.flatMap(({ contract, namespaces }) =>
    namespaces.flatMap((namespace) =>
      Object.entries(contract.clientEvents)
        .filter(([, { takesBinary }]) => takesBinary === true)
        .map(([name]) => `${namespace} ${name}`),
    ),
  ),
);
