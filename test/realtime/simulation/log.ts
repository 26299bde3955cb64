import type { StoredEntry } from '../../../src/realtime/delivery/storage/entry.js';
import type { VirtualTime } from './virtual-time.js';

type Filter = Readonly<Record<string, unknown>>;
type Document = StoredEntry & Readonly<Record<string, unknown>>;

/** What {@link SimulatedLog} needs. */
interface LogOptions {
  readonly time: VirtualTime;
  readonly random: () => number;
}

/** Share of operations that are slow, and by how much at most. */
const SLOW_SHARE = 0.01;
const SLOW_MS = 500;
/** Entries older than this are not looked for, so that a search need not see all of them. */
const OLD_MS = 120_000;

/** The collection of the log in memory and in virtual time, with the operations that the log uses, and its unique index. */
export class SimulatedLog {
  readonly #time: VirtualTime;
  readonly #random: () => number;
  /** Some operations take much longer. */
  isSlow = false;
  readonly #byRecipient = new Map<string, Document[]>();
  readonly #ids = new Map<string, Document>();
  /** In the order of insertion. */
  readonly #recent: { document: Document; at: number }[] = [];

  constructor({ time, random }: LogOptions) {
    this.#time = time;
    this.#random = random;
  }

  /** The bodies of a recipient's entries, in order. */
  bodiesOf(recipient: string): string[] {
    return (this.#byRecipient.get(recipient) ?? []).map(({ body = '' }) => body);
  }

  async insertOne(document: Document): Promise<void> {
    await this.#travel();
    const isStored = this.#store(document);
    await this.#travel();
    if (!isStored) throw duplicate(0);
  }

  async insertMany(documents: readonly Document[], { ordered }: { ordered: boolean }): Promise<void> {
    await this.#travel();
    const writeErrors: object[] = [];
    for (const [index, document] of documents.entries()) {
      if (this.#store(document)) continue;
      writeErrors.push(duplicate(index));
      if (ordered) break;
    }
    await this.#travel();
    if (writeErrors.length > 0) throw Object.assign(duplicate(0), { writeErrors });
  }

  async findOne(filter: Filter, { sort }: { sort: Readonly<Record<string, number>> }): Promise<Document | null> {
    const [first] = await this.find(filter).sort(sort).limit(1).toArray();
    return first ?? null;
  }

  find(filter: Filter) {
    let direction = 0;
    let count = Number.POSITIVE_INFINITY;
    const read = async (): Promise<Document[]> => {
      await this.#travel();
      const found = this.#candidates(filter).filter((document) => matches(document, filter));
      if (direction !== 0) found.sort((one, other) => direction * (one.position - other.position));
      await this.#travel();
      return found.slice(0, count);
    };
    const cursor = {
      sort({ position = 0 }: Readonly<Record<string, number>>) {
        direction = position;
        return cursor;
      },
      limit(limit: number) {
        count = limit;
        return cursor;
      },
      toArray: read,
      async *[Symbol.asyncIterator]() {
        yield* await read();
      },
    };
    return cursor;
  }

  async countDocuments(filter: Filter): Promise<number> {
    return (await this.find(filter).toArray()).length;
  }

  #travel(): Promise<void> {
    const slowMs = this.isSlow && this.#random() < SLOW_SHARE ? this.#random() * SLOW_MS : 0;
    return this.#time.wait(0.5 + this.#random() * 4 + slowMs);
  }

  /** @returns whether the place was free */
  #store(document: Document): boolean {
    const entries = this.#byRecipient.get(document.recipient) ?? [];
    if (document.position !== entries.length + 1 || this.#ids.has(document._id)) {
      if (document.position > entries.length + 1) throw new Error('a position would be left out');
      return false;
    }
    entries.push(document);
    this.#byRecipient.set(document.recipient, entries);
    this.#ids.set(document._id, document);
    this.#recent.push({ document, at: this.#time.now });
    while ((this.#recent[0]?.at ?? Number.POSITIVE_INFINITY) < this.#time.now - OLD_MS) this.#recent.shift();
    return true;
  }

  #candidates({ recipient, _id }: Filter): readonly Document[] {
    if (typeof recipient === 'string') return this.#byRecipient.get(recipient) ?? [];
    if (_id !== undefined) return (_id as { $in: string[] }).$in.flatMap((id) => this.#ids.get(id) ?? []);
    return this.#recent.map(({ document }) => document);
  }
}

const duplicate = (index: number) =>
  Object.assign(new Error('E11000 duplicate key'), { code: 11_000, index, errmsg: '' });

const OPERATORS: Readonly<Record<string, (value: unknown, operand: unknown) => boolean>> = {
  $gt: (value, operand) => Number(value) > Number(operand),
  $gte: (value, operand) => Number(value) >= Number(operand),
  $lt: (value, operand) => Number(value) < Number(operand),
  $in: (value, operand) => (operand as unknown[]).includes(value),
  // No entry has outcomes here.
  $ne: (value, operand) => value !== operand,
};

const matches = (document: Document, filter: Filter): boolean =>
  Object.entries(filter).every(([field, condition]) => {
    if (typeof condition !== 'object' || condition === null) return document[field] === condition;
    return Object.entries(condition).every(([name, operand]) => {
      const operator = OPERATORS[name];
      if (operator === undefined) throw new Error(`the simulated log does not know ${name}`);
      return operator(document[field], operand);
    });
  });
