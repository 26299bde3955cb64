import type { Types } from 'mongoose';
import { chatNamespace, departmentNamespace } from '#shared/contracts/namespaces.js';
import type { Emitter, OutgoingEvent } from '../../../realtime/emitter.js';
import { rooms } from '../../../realtime/rooms.js';
import type { Audience } from './audience.js';
import { type Identity, ownRoomOf } from './people.js';

/** Sends events to participants. */
export interface Publisher {
  /** The whole audience, once for each socket. */
  all(audience: Audience, outgoing: OutgoingEvent): void;
  /** The audience without one person, on all of their sockets. */
  others(audience: Audience, person: Identity, outgoing: OutgoingEvent): void;
  /** One person, on all of their sockets. */
  own(person: Identity, outgoing: OutgoingEvent): void;
  /** The agents connected to a department. `except`: users to leave out. */
  department(departmentId: string, outgoing: OutgoingEvent, except?: readonly string[]): void;
  /** How many sockets of this node have a department open. */
  agentsHere(departmentId: Types.ObjectId | null): number;
}

/** Departments are reached in `/department`, all others in `/`. */
export function createPublisher(emitter: Emitter): Publisher {
  const namespaces = [chatNamespace];
  return {
    all: ({ rooms, except }, outgoing) => void emitter.emit({ namespaces, rooms, exceptRoom: except }, outgoing),
    others({ rooms, except }, person, outgoing) {
      emitter.emit({ namespaces, rooms, exceptRoom: [...except, ownRoomOf(person)] }, outgoing);
    },
    own: (person, outgoing) => void emitter.emit({ namespaces, rooms: [ownRoomOf(person)] }, outgoing),
    department(departmentId, outgoing, except) {
      const target = { namespaces: [departmentNamespace], rooms: [rooms.department(departmentId)] };
      emitter.emit(except === undefined ? target : { ...target, exceptRoom: except.map(rooms.user) }, outgoing);
    },
    agentsHere: (departmentId) =>
      departmentId === null ? 0 : emitter.sizeHere([departmentNamespace], rooms.department(departmentId.toHexString())),
  };
}
