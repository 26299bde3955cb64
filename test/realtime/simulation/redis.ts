import { createHash } from 'node:crypto';
import { LuaScripts, RedisError, type Reply, Simple } from './lua.js';
import type { VirtualSocket } from './network.js';
import { RedisData } from './redis-data.js';
import type { VirtualTime } from './virtual-time.js';

/** A connection of a client. */
interface Connection {
  readonly socket: VirtualSocket;
  readonly channels: Set<string>;
  /** By pattern: the text before its `*`. */
  readonly patterns: Map<string, string>;
  unread: string;
}

/** A message that was published. */
export interface Published {
  readonly channel: string;
  readonly message: string;
  readonly receivers: number;
}

/** What {@link SimulatedRedis} needs. */
interface RedisOptions {
  readonly time: VirtualTime;
  readonly random: () => number;
  onPublish(published: Published): void;
}

/**
 * A Redis in memory and in virtual time. It speaks the protocol of Redis (RESP3) and runs the Lua scripts of the nodes.
 * `redis.test.ts` compares it with a real one.
 */
export class SimulatedRedis {
  readonly #time: VirtualTime;
  readonly #onPublish: (published: Published) => void;
  readonly #connections = new Set<Connection>();
  readonly #channels = new Map<string, Set<Connection>>();
  readonly #patterned = new Set<Connection>();
  readonly #scripts: LuaScripts;
  readonly data: RedisData;
  #pausedUntil = 0;
  /** Differs after each start. */
  #runs = 1;
  readonly #paused: (() => void)[] = [];
  /** Commands that were run. */
  commands = 0;

  constructor({ time, random, onPublish }: RedisOptions) {
    this.#time = time;
    this.#onPublish = onPublish;
    this.data = new RedisData({ now: time.unix, random });
    this.#scripts = new LuaScripts((command) => this.#runInScript(command));
  }

  accept = (socket: VirtualSocket): void => {
    const connection: Connection = { socket, channels: new Set(), patterns: new Map(), unread: '' };
    this.#connections.add(connection);
    socket.on('data', (chunk: Buffer) => {
      connection.unread += chunk.toString('latin1');
      this.#whenRunning(() => this.#read(connection));
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.#forget(connection));
  };

  /** Runs a command of the test itself. @throws RedisError */
  command(...command: string[]): Reply {
    return this.#run(command);
  }

  /** Answers nothing for a time; connections stay. */
  pause(forMs: number): void {
    this.#pausedUntil = this.#time.now + forMs;
    this.#time.after(forMs, () => {
      for (const work of this.#paused.splice(0)) work();
    });
  }

  /** Ends with everything in memory. */
  crash(): void {
    for (const { socket } of [...this.#connections]) socket.destroy();
    this.data.clear();
    this.#scripts.clear();
    this.#runs += 1;
  }

  #whenRunning(work: () => void): void {
    if (this.#time.now < this.#pausedUntil) this.#paused.push(work);
    else work();
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    this.#patterned.delete(connection);
    for (const channel of connection.channels) this.#channels.get(channel)?.delete(connection);
  }

  #read(connection: Connection): void {
    for (let parsed = parse(connection.unread); parsed !== undefined; parsed = parse(connection.unread)) {
      connection.unread = connection.unread.slice(parsed.length);
      // What arrives from a broken connection is still executed, without an answer.
      const [name = ''] = parsed.command;
      if (/^[ps]?(?:un)?subscribe$/i.test(name)) this.#subscribe(connection, parsed.command);
      else this.#write(connection, this.#reply(parsed.command));
    }
  }

  #write({ socket }: Connection, reply: string): void {
    if (!socket.destroyed) socket.write(Buffer.from(reply, 'latin1'));
  }

  #reply(command: readonly string[]): string {
    try {
      return encode(this.#run(command));
    } catch (error) {
      if (error instanceof RedisError) return encode(error);
      throw error;
    }
  }

  #run(command: readonly string[]): Reply {
    this.commands += 1;
    const [name = '', ...args] = command;
    const [first = ''] = args;
    switch (name.toUpperCase()) {
      case 'HELLO':
        return new Map<string, Reply>([
          ['server', 'redis'],
          ['version', '7.4.0'],
          ['proto', 3],
          ['mode', 'standalone'],
          ['role', 'master'],
        ]);
      case 'CLIENT':
        return new Simple('OK');
      case 'PING':
        return new Simple('PONG');
      case 'INFO':
        return `# Server\r\nrun_id:${this.#runs.toString(16).padStart(40, '0')}\r\n`;
      case 'PUBLISH':
        return this.#publish(first, args[1] ?? '');
      case 'PUBSUB':
        return args.slice(1).flatMap((channel) => [channel, this.#channels.get(channel)?.size ?? 0]);
      case 'SCRIPT':
        if (first.toUpperCase() === 'FLUSH') this.#scripts.clear();
        return first.toUpperCase() === 'LOAD' ? this.#load(args[1] ?? '') : new Simple('OK');
      case 'EVALSHA': {
        const keys = Number(args[1]);
        return this.#scripts.run(first, args.slice(2, 2 + keys), args.slice(2 + keys));
      }
      default:
        return this.#runData(command);
    }
  }

  #runInScript(command: readonly string[]): Reply {
    if (/^(?:publish|pubsub|info)$/i.test(command[0] ?? '')) return this.#run(command);
    return this.#runData(command);
  }

  #runData(command: readonly string[]): Reply {
    const reply = this.data.run(command);
    if (reply === undefined) throw new RedisError(`ERR unknown command '${command[0]}'`);
    return reply;
  }

  #load(code: string): string {
    const sha = createHash('sha1').update(Buffer.from(code, 'latin1')).digest('hex');
    this.#scripts.load(sha, code);
    return sha;
  }

  #publish(channel: string, message: string): number {
    let receivers = 0;
    for (const connection of this.#channels.get(channel) ?? []) {
      this.#write(connection, encodePush(['message', channel, message]));
      receivers += 1;
    }
    for (const connection of this.#patterned) {
      for (const [pattern, start] of connection.patterns) {
        if (!channel.startsWith(start)) continue;
        this.#write(connection, encodePush(['pmessage', pattern, channel, message]));
        receivers += 1;
      }
    }
    this.#onPublish({ channel, message, receivers });
    return receivers;
  }

  #subscribe(connection: Connection, [name = '', ...names]: readonly string[]): void {
    const kind = name.toLowerCase();
    for (const one of names) {
      if (kind === 'subscribe') {
        connection.channels.add(one);
        this.#channels.set(one, (this.#channels.get(one) ?? new Set()).add(connection));
      } else if (kind === 'unsubscribe') {
        connection.channels.delete(one);
        this.#channels.get(one)?.delete(connection);
      } else if (kind === 'psubscribe') {
        connection.patterns.set(one, one.slice(0, -1).replace(/\\(.)/g, '$1'));
        this.#patterned.add(connection);
      } else connection.patterns.delete(one);
      this.#write(connection, encodePush([kind, one, connection.channels.size + connection.patterns.size]));
    }
  }
}

/** Parses a command; `undefined`: it is not complete. */
function parse(text: string): { command: string[]; length: number } | undefined {
  const header = /^\*(\d+)\r\n/.exec(text);
  if (header === null) return undefined;
  const command: string[] = [];
  let offset = header[0].length;
  for (let left = Number(header[1]); left > 0; left -= 1) {
    const end = text.indexOf('\r\n', offset);
    if (end === -1) return undefined;
    const start = end + 2;
    const length = Number(text.slice(offset + 1, end));
    if (text.length < start + length + 2) return undefined;
    command.push(text.slice(start, start + length));
    offset = start + length + 2;
  }
  return { command, length: offset };
}

const encodePush = (items: readonly Reply[]): string => `>${items.length}\r\n${items.map(encode).join('')}`;

function encode(reply: Reply): string {
  if (reply === null) return '_\r\n';
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return `$${reply.length}\r\n${reply}\r\n`;
  if (reply instanceof Simple) return `+${reply.text}\r\n`;
  if (reply instanceof RedisError) return `-${reply.message}\r\n`;
  if (Array.isArray(reply)) return `*${reply.length}\r\n${reply.map(encode).join('')}`;
  return `%${reply.size}\r\n${[...reply].flat().map(encode).join('')}`;
}
