import { RedisError, type Reply, Simple } from './lua.js';

interface Value {
  readonly data: string | Set<string> | Map<string, string> | SortedSet;
  /** Unix time in milliseconds; `undefined`: never. */
  expiresAt?: number | undefined;
}

class SortedSet {
  readonly scores = new Map<string, number>();
}

/** What {@link RedisData} needs. */
interface RedisDataOptions {
  /** Unix time of the server in milliseconds. */
  now(): number;
  random(): number;
}

type Command = (...args: string[]) => Reply;

/** The data of a Redis, with the commands that the nodes use. Text is binary: one character for each byte. */
export class RedisData {
  readonly #now: () => number;
  readonly #random: () => number;
  #values = new Map<string, Value>();

  constructor({ now, random }: RedisDataOptions) {
    this.#now = now;
    this.#random = random;
  }

  /** Runs a command; `undefined`: it is none of the data. @throws RedisError */
  run([name = '', ...args]: readonly string[]): Reply | undefined {
    const command = this.#commands[name.toUpperCase()];
    return command === undefined ? undefined : command(...args);
  }

  clear(): void {
    this.#values = new Map();
  }

  #read(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value?.expiresAt === undefined || value.expiresAt > this.#now()) return value;
    this.#values.delete(key);
    return undefined;
  }

  #of<T extends Value['data']>(key: string, kind: abstract new () => T): T | undefined {
    const data = this.#read(key)?.data;
    if (data === undefined || data instanceof kind) return data as T | undefined;
    throw new RedisError('WRONGTYPE Operation against a key holding the wrong kind of value');
  }

  #create<T extends Value['data'] & object>(key: string, kind: new () => T): T {
    const known = this.#of(key, kind);
    if (known !== undefined) return known;
    const data = new kind();
    this.#values.set(key, { data });
    return data;
  }

  /** Keys without members do not exist. */
  #dropIfEmpty(key: string, size: number): void {
    if (size === 0) this.#values.delete(key);
  }

  #remove(key: string, members: readonly string[], from: { delete(member: string): boolean; size: number }): number {
    const removed = members.filter((member) => from.delete(member)).length;
    this.#dropIfEmpty(key, from.size);
    return removed;
  }

  /** Members with their scores, in order. */
  #sorted(key: string): [string, number][] {
    const all = [...(this.#of(key, SortedSet)?.scores ?? [])];
    return all.sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
  }

  #between(key: string, min: string, max: string): [string, number][] {
    const [isAbove, isBelow] = [
      toBound(min, (score, bound) => score > bound),
      toBound(max, (score, bound) => score < bound),
    ];
    return this.#sorted(key).filter(([, score]) => isAbove(score) && isBelow(score));
  }

  #string(key: string): string | null {
    const data = this.#read(key)?.data;
    if (data === undefined) return null;
    if (typeof data !== 'string')
      throw new RedisError('WRONGTYPE Operation against a key holding the wrong kind of value');
    return data;
  }

  #pick(members: readonly string[], count: number): string[] {
    const left = [...members];
    const picked: string[] = [];
    while (picked.length < count && left.length > 0)
      picked.push(...left.splice(Math.floor(this.#random() * left.length), 1));
    return picked;
  }

  readonly #commands: Readonly<Record<string, Command>> = {
    GET: (key = '') => this.#string(key),
    MGET: (...keys) =>
      keys.map((key) => {
        const data = this.#read(key)?.data;
        return typeof data === 'string' ? data : null;
      }),
    SET: (key = '', data = '', option, ms) => {
      if (option !== undefined && option !== 'PX') throw new RedisError('ERR syntax error');
      this.#values.set(key, { data, expiresAt: ms === undefined ? undefined : this.#now() + Number(ms) });
      return new Simple('OK');
    },
    DEL: (...keys) => keys.filter((key) => this.#read(key) !== undefined && this.#values.delete(key)).length,
    EXISTS: (...keys) => keys.filter((key) => this.#read(key) !== undefined).length,
    FLUSHALL: () => {
      this.clear();
      return new Simple('OK');
    },
    TIME: () => {
      const now = this.#now();
      return [String(Math.floor(now / 1000)), String(Math.floor((now % 1000) * 1000))];
    },

    HGET: (key = '', field = '') => this.#of<Map<string, string>>(key, Map)?.get(field) ?? null,
    HSET: (key = '', ...pairs) => {
      const hash = this.#create<Map<string, string>>(key, Map);
      const before = hash.size;
      for (let i = 0; i < pairs.length; i += 2) hash.set(pairs[i] ?? '', pairs[i + 1] ?? '');
      return hash.size - before;
    },
    HDEL: (key = '', ...fields) => this.#remove(key, fields, this.#of<Map<string, string>>(key, Map) ?? new Map()),
    HLEN: (key = '') => this.#of<Map<string, string>>(key, Map)?.size ?? 0,
    HGETALL: (key = '') => [...(this.#of<Map<string, string>>(key, Map) ?? [])].flat(),

    SADD: (key = '', ...members) => {
      const set = this.#create<Set<string>>(key, Set);
      const before = set.size;
      for (const member of members) set.add(member);
      return set.size - before;
    },
    SREM: (key = '', ...members) => this.#remove(key, members, this.#of<Set<string>>(key, Set) ?? new Set()),
    SMEMBERS: (key = '') => [...(this.#of<Set<string>>(key, Set) ?? [])],
    SUNION: (...keys) => [...new Set(keys.flatMap((key) => [...(this.#of<Set<string>>(key, Set) ?? [])]))],
    SCARD: (key = '') => this.#of<Set<string>>(key, Set)?.size ?? 0,
    SISMEMBER: (key = '', member = '') => (this.#of<Set<string>>(key, Set)?.has(member) === true ? 1 : 0),
    SPOP: (key = '', count = '1') => {
      const set = this.#of<Set<string>>(key, Set) ?? new Set();
      const popped = this.#pick([...set], Number(count));
      this.#remove(key, popped, set);
      return popped;
    },
    SRANDMEMBER: (key = '', count) => {
      const picked = this.#pick([...(this.#of<Set<string>>(key, Set) ?? [])], Number(count ?? 1));
      return count === undefined ? (picked[0] ?? null) : picked;
    },
    SSCAN: (key = '') => ['0', [...(this.#of<Set<string>>(key, Set) ?? [])]],

    ZADD: (key = '', ...pairs) => {
      const { scores } = this.#create(key, SortedSet);
      const before = scores.size;
      for (let i = 0; i < pairs.length; i += 2) scores.set(pairs[i + 1] ?? '', Number(pairs[i]));
      return scores.size - before;
    },
    ZREM: (key = '', ...members) =>
      this.#remove(key, members, this.#of(key, SortedSet)?.scores ?? new Map<string, number>()),
    ZSCORE: (key = '', member = '') => {
      const score = this.#of(key, SortedSet)?.scores.get(member);
      return score === undefined ? null : String(score);
    },
    ZRANGE: (key = '', from = '0', to = '-1', option) => {
      const all = this.#sorted(key);
      const slice = all.slice(Number(from), Number(to) < 0 ? all.length + Number(to) + 1 : Number(to) + 1);
      return slice.flatMap(([member, score]) => (option === 'WITHSCORES' ? [member, String(score)] : [member]));
    },
    ZRANGEBYSCORE: (key = '', min = '', max = '', option, offset = '0', count = '-1') => {
      const found = this.#between(key, min, max).map(([member]) => member);
      if (option === undefined) return found;
      return found.slice(Number(offset), Number(count) < 0 ? undefined : Number(offset) + Number(count));
    },
    ZCARD: (key = '') => this.#of(key, SortedSet)?.scores.size ?? 0,
    ZCOUNT: (key = '', min = '', max = '') => this.#between(key, min, max).length,
    ZREMRANGEBYSCORE: (key = '', min = '', max = '') => {
      const members = this.#between(key, min, max).map(([member]) => member);
      return this.#remove(key, members, this.#of(key, SortedSet)?.scores ?? new Map<string, number>());
    },
  };
}

/** `5`, `(5` (not included), `-inf` or `+inf`. */
function toBound(text: string, isBeyond: (score: number, bound: number) => boolean): (score: number) => boolean {
  const isExclusive = text.startsWith('(');
  const bound = Number((isExclusive ? text.slice(1) : text).replace('inf', 'Infinity'));
  return (score) => isBeyond(score, bound) || (!isExclusive && score === bound);
}
