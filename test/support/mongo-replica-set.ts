import { ObjectId } from 'bson';
import { type Document, type MongoProxy, nameOf, startMongoProxy } from './mongo-proxy.js';

/** How a server that is not the primary any more answers: stepping down, not primary, shutting down, interrupted. */
const STATE_CHANGES: readonly (readonly [number, string])[] = [
  [10_107, 'NotWritablePrimary'],
  [189, 'PrimarySteppedDown'],
  [11_602, 'InterruptedDueToReplStateChange'],
  [11_600, 'InterruptedAtShutdown'],
  [91, 'ShutdownInProgress'],
  [13_435, 'NotPrimaryNoSecondaryOk'],
];
/** Commands that drivers send about the server itself. */
const MONITORING = new Set(['hello', 'ismaster', 'isMaster', 'ping', 'buildInfo', 'endSessions']);
/** How often drivers ask the members before a new primary is found. */
const LOOKS_OF_AN_ELECTION = 4;

/** Members of a replica set that all have the same data. */
export interface TestReplicaSet {
  readonly url: string;
  /** The primary steps down: what it is doing is cut or refused. After some looks of drivers the next member is elected. */
  stepDown(): void;
  /** Commands that were cut or refused because of a step-down. */
  readonly disturbed: number;
  close(): Promise<void>;
}

/** Starts two members before one server. Each write that one of them has done is there for the other, as after majority writes. */
export async function startReplicaSet(target: string): Promise<TestReplicaSet> {
  let primary = 0;
  let term = 1;
  let looksLeft = 0;
  let disturbed = 0;
  const members: MongoProxy[] = [];
  const isPrimary = (index: number): boolean => index === primary && looksLeft === 0;

  const describe = (index: number, reply: Document): Document => ({
    ...reply,
    hosts: members.map(({ host }) => host),
    me: members[index]?.host,
    primary: looksLeft === 0 ? members[primary]?.host : undefined,
    ...('isWritablePrimary' in reply ? { isWritablePrimary: isPrimary(index) } : { ismaster: isPrimary(index) }),
    secondary: !isPrimary(index),
    setVersion: 1,
    electionId: isPrimary(index) ? new ObjectId(`7fffffff${term.toString(16).padStart(16, '0')}`) : undefined,
  });

  const refusal = (command: Document): Document => {
    const [code, codeName] = STATE_CHANGES[disturbed % STATE_CHANGES.length] ?? [];
    const isRetryable = command['txnNumber'] !== undefined && command['autocommit'] === undefined;
    const isCommit = nameOf(command) === 'commitTransaction';
    const isWithin = command['autocommit'] === false && !isCommit;
    const errorLabels =
      isRetryable || isCommit ? ['RetryableWriteError'] : isWithin ? ['TransientTransactionError'] : [];
    return { ok: 0, code, codeName, errmsg: 'not primary', errorLabels };
  };

  for (const index of [0, 1]) {
    const member = await startMongoProxy(target, {
      onCommand: (command) => {
        if (MONITORING.has(nameOf(command)) || isPrimary(index)) return undefined;
        disturbed += 1;
        return refusal(command);
      },
      onReply: (reply, command) => {
        if (reply['maxWireVersion'] !== undefined) {
          if (looksLeft > 0) looksLeft -= 1;
          return describe(index, reply);
        }
        if (MONITORING.has(nameOf(command)) || isPrimary(index)) return reply;
        // It was under way when the member stepped down, and has been done.
        disturbed += 1;
        return 'cut';
      },
    });
    members.push(member);
  }

  return {
    url: `mongodb://${members.map(({ host }) => host).join(',')}/general-socket?replicaSet=embedded`,
    stepDown() {
      primary = 1 - primary;
      term += 1;
      looksLeft = LOOKS_OF_AN_ELECTION;
    },
    get disturbed() {
      return disturbed;
    },
    async close() {
      await Promise.all(members.map((member) => member.close()));
    },
  };
}
