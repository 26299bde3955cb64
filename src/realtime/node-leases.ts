import type { Logger } from '../platform/logging/logger.js';
import type { Redis } from '../platform/redis/connect.js';
import { defineScript } from '../platform/redis/script.js';
import type { Clock } from '../platform/time/clock.js';
import { startPolling } from '../platform/time/poller.js';

/** A node that does not renew its lease for so long, and has not ended it, is dead. */
export const NODE_LEASE_MS = 9_000;
const RENEW_EVERY_MS = NODE_LEASE_MS / 3;
/** How long a node may take for the work after a death before another one takes it on. */
const CLAIM_MS = 60_000;
/** A death that no node has noticed for so long concerns no client: those that are connected have connected since. */
const FORGET_MS = 600_000;

/** A node that died. */
export interface Death {
  /** What {@link NodeLeases.begin} was told of it. */
  readonly mark: string;
  /** How long its lease has been over, in milliseconds of Redis time. */
  readonly endedAgoMs: number;
}

/** Which nodes run. A node that ends without saying so is noticed by the others. */
export interface NodeLeases {
  /** Begins the lease of this node. @param mark what the others may need to know of it after its death; without blanks */
  begin(mark: string): Promise<void>;
  /** @param listener is called on one node for each death, and again, there or on another node, if it rejects or that node ends too */
  onDeath(listener: (death: Death) => Promise<void>): void;
  /** Ends the lease: this is no death. */
  end(): Promise<void>;
}

/** For a single node: there is no other one that could notice its death. */
export const noLeases: NodeLeases = {
  begin: async () => undefined,
  onDeath: () => undefined,
  end: async () => undefined,
};

/** Key: a hash, node → end of its lease, end of the claim on it after its death (0: none), both in Redis time, and its mark. */
const COMMON = `
  local nodes, node = KEYS[1], ARGV[1]
  local time = redis.call('TIME')
  local at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local function text(number) return string.format('%.0f', number) end
  local function read(value)
    local ends, claimed, mark = string.match(value or '', '^(%d+) (%d+) (%S*)$')
    return tonumber(ends or 0), tonumber(claimed or 0), mark or ''
  end
`;

/**
 * Arguments: node, lease, mark, length of a claim, whether to claim a death (1, 0), how long deaths are remembered. A node whose own
 * lease was over claims nothing: Redis was away, and the others are only late too.
 * @returns whether the lease had not ended (1, 0); then, after a claim, the dead node, since when its lease is over, and its mark
 */
const renew = defineScript(`${COMMON}
  local lease_ms, mark, claim_ms, may_claim, forget_ms = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
  local was_alive = read(redis.call('HGET', nodes, node)) > at
  redis.call('HSET', nodes, node, text(at + lease_ms) .. ' 0 ' .. mark)
  if not was_alive then return { 0 } end
  if may_claim == '0' then return { 1 } end
  local all = redis.call('HGETALL', nodes)
  for i = 1, #all, 2 do
    local ends, claimed, its_mark = read(all[i + 1])
    if ends + forget_ms < at then
      redis.call('HDEL', nodes, all[i])
    elseif ends <= at and claimed <= at then
      redis.call('HSET', nodes, all[i], text(ends) .. ' ' .. text(at + claim_ms) .. ' ' .. its_mark)
      return { 1, all[i], text(at - ends), its_mark }
    end
  end
  return { 1 }
`);

/** Arguments: node. Removes a node, unless it is back. */
const bury = defineScript(`${COMMON}
  if read(redis.call('HGET', nodes, node)) <= at then redis.call('HDEL', nodes, node) end
`);

/** Arguments: node. */
const leave = defineScript(`${COMMON}
  redis.call('HDEL', nodes, node)
`);

interface Options {
  readonly redis: Pick<Redis, 'commands'>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
  readonly nodeId: string;
  readonly keyPrefix: string;
}

/**
 * The leases in Redis. Costs a node one command in {@link RENEW_EVERY_MS}. After an outage of Redis, or of this node, the other
 * nodes are given the time of a lease to come back.
 */
export function createNodeLeases({ redis, clock, logger, nodeId, keyPrefix }: Options): NodeLeases {
  const keys = [`${keyPrefix}node-leases`];
  let listener: ((death: Death) => Promise<void>) | undefined;
  let quietUntil = 0;
  let stop = async (): Promise<void> => undefined;

  const beQuiet = (): void => {
    quietUntil = clock.now() + NODE_LEASE_MS;
  };

  const run = async (mark: string): Promise<void> => {
    const mayClaim = listener !== undefined && clock.now() >= quietUntil;
    const args = [nodeId, NODE_LEASE_MS, mark, CLAIM_MS, mayClaim ? 1 : 0, FORGET_MS].map(String);
    let reply: [wasAlive: number, dead?: string, endedAgoMs?: string, mark?: string];
    try {
      reply = (await renew(redis.commands, keys, args)) as typeof reply;
    } catch {
      // Redis is away, which its own check reports.
      return beQuiet();
    }
    const [wasAlive, dead, endedAgoMs = '0', itsMark = ''] = reply;
    if (wasAlive === 0) return beQuiet();
    if (dead === undefined) return;
    // The lease must go on meanwhile.
    void listener?.({ mark: itsMark, endedAgoMs: Number(endedAgoMs) })
      .then(() => bury(redis.commands, keys, [dead]))
      .catch((error: unknown) =>
        logger.warn({ err: error }, 'sending what a dead node may not have sent failed; retrying'),
      );
  };

  return {
    async begin(mark) {
      await run(mark);
      stop = startPolling({ clock, intervalMs: RENEW_EVERY_MS, poll: () => run(mark), onError: beQuiet });
    },
    onDeath(called) {
      listener = called;
    },
    async end() {
      await stop();
      await leave(redis.commands, keys, [nodeId]).catch(() => undefined);
    },
  };
}
