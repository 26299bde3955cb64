/** A room in which this node has sockets, or had some until Redis knows. */
interface HeldRoom {
  /** Namespaces with a socket in the room. */
  count: number;
  /** The command of the current registration that adds it; 0: none was sent. */
  command: number;
  isConfirmed: boolean;
  waiters: (() => void)[];
}

/** Changes of the directory that are one or more commands. */
export interface RoomChanges {
  /** For {@link HeldRooms.confirm}. */
  readonly command: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** The rooms of this node in memory, and what the directory in Redis is known to have of them. */
export class HeldRooms {
  readonly #rooms = new Map<string, HeldRoom>();
  readonly #changed = new Set<string>();
  readonly #onChange: () => void;
  #commands = 0;

  /** @param onChange is called when {@link HeldRooms.takeChanges} has something new */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** A namespace of this node has a socket in the room. */
  hold(room: string): void {
    const held = this.#rooms.get(room);
    if (held !== undefined) held.count += 1;
    else this.#rooms.set(room, { count: 1, command: 0, isConfirmed: false, waiters: [] });
    if (held === undefined || held.command === 0) this.#noteChange(room);
  }

  /** A namespace of this node has no socket in the room any more. */
  release(room: string): void {
    const held = this.#rooms.get(room);
    if (held === undefined) return;
    held.count -= 1;
    if (held.count > 0) return;
    resolveWaiters(held);
    if (held.command !== 0) this.#noteChange(room);
    else this.#rooms.delete(room);
  }

  isHeld(room: string): boolean {
    return (this.#rooms.get(room)?.count ?? 0) > 0;
  }

  /** Resolves when the directory has the rooms, or {@link HeldRooms.stopWaiting} was called; `undefined`: it has them. Never rejects. */
  confirmed(rooms: Iterable<string>): Promise<void> | undefined {
    const waits: Promise<void>[] = [];
    for (const room of rooms) {
      const held = this.#rooms.get(room);
      if (held === undefined || held.isConfirmed) continue;
      waits.push(new Promise((resolve) => held.waiters.push(resolve)));
    }
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  /** What the directory lacks, and what it has too many. Counts as sent from now on. */
  takeChanges(): RoomChanges {
    this.#commands += 1;
    const changes = { command: this.#commands, added: [] as string[], removed: [] as string[] };
    for (const room of this.#changed) {
      const held = this.#rooms.get(room);
      if (held === undefined) continue;
      if (held.count > 0 && held.command === 0) {
        held.command = changes.command;
        changes.added.push(room);
      }
      if (held.count > 0) continue;
      this.#rooms.delete(room);
      if (held.command !== 0) changes.removed.push(room);
    }
    this.#changed.clear();
    return changes;
  }

  /** The directory has rooms that {@link HeldRooms.takeChanges} added. */
  confirm(command: number, rooms: readonly string[]): void {
    for (const room of rooms) {
      const held = this.#rooms.get(room);
      // It was removed and added again since.
      if (held?.command !== command) continue;
      held.isConfirmed = true;
      resolveWaiters(held);
    }
  }

  /** It is not known any more what the directory has: all rooms are changes again. */
  forgetSent(): void {
    for (const [room, held] of this.#rooms) {
      held.command = 0;
      held.isConfirmed = false;
      if (held.count > 0) this.#changed.add(room);
      else this.#rooms.delete(room);
    }
  }

  /** No connect waits for the directory any more. */
  stopWaiting(): void {
    for (const held of this.#rooms.values()) resolveWaiters(held);
  }

  #noteChange(room: string): void {
    this.#changed.add(room);
    this.#onChange();
  }
}

function resolveWaiters({ waiters }: HeldRoom): void {
  for (const resolve of waiters.splice(0)) resolve();
}
