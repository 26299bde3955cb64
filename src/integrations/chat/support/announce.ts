import { chatNamespace, departmentNamespace } from '#shared/contracts/namespaces.js';
import type { Emitter, OutgoingEvent } from '../../../realtime/emitter.js';
import { rooms } from '../../../realtime/rooms.js';
import { type Identity, ownRoomOf } from './people.js';

/** Tells people something. */
export interface Announce {
  /** Everybody in these rooms, once for each socket. */
  all(audience: readonly string[], outgoing: OutgoingEvent): void;
  /** The same but for one person, on all of their sockets. */
  others(audience: readonly string[], except: Identity, outgoing: OutgoingEvent): void;
  /** The agents who have a department open. `except`: users who are not told. */
  department(departmentId: string, outgoing: OutgoingEvent, except?: readonly string[]): void;
}

export function createAnnounce(emitter: Emitter): Announce {
  const namespaces = [chatNamespace];
  return {
    all: (audience, outgoing) => void emitter.emit({ namespaces, rooms: audience }, outgoing),
    others(audience, except, outgoing) {
      emitter.emit({ namespaces, rooms: audience, exceptRoom: ownRoomOf(except) }, outgoing);
    },
    department(departmentId, outgoing, except) {
      const target = { namespaces: [departmentNamespace], rooms: [rooms.department(departmentId)] };
      emitter.emit(except === undefined ? target : { ...target, exceptRoom: except.map(rooms.user) }, outgoing);
    },
  };
}
