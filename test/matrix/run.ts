import { type Change, changesBetween, takeSnapshot, undo } from './database.js';
import type { Ids, Kind, Outcome } from './kinds.js';
import type { Operation } from './operations.js';
import { outcomeOf } from './outcomes.js';
import { createPerform, type Result } from './perform.js';
import { createPresenceRule } from './presence.js';
import { rowOf } from './rows/index.js';
import { openScene } from './scene.js';
import { createTargets, SECRET_TEXT } from './targets.js';
import type { Heard } from './witnesses.js';

const SUCCESSES: readonly Outcome[] = ['own', 'unheard', 'told', 'allowed'];
const isRefusal = (outcome: Outcome): boolean => !SUCCESSES.includes(outcome);

/** Runs operations for every kind of caller. */
export interface Matrix {
  /** @returns what is wrong, one sentence each */
  run(operation: Operation): Promise<string[]>;
  close(): Promise<void>;
}

/** Starts two nodes with everyone and everything in the matrix. @param kinds the callers */
export async function openMatrix(kinds: readonly Kind[]): Promise<Matrix> {
  const scene = await openScene();
  const { people } = scene;
  const { connection } = scene.environment;
  const { owner, stranger } = people;
  const perform = createPerform(scene);
  const targets = createTargets(scene);
  const idsOf = await scene.wait(targets.makeLasting(kinds));
  await scene.wait(scene.hear());

  const isPresence = createPresenceRule(people);

  const isOwnChange = (self: string, text: string | undefined): boolean =>
    text === undefined || (text.includes(self) && !text.includes(owner.id));

  /** The changes that a call that succeeds must not make. Nothing ever changes what belongs to the stranger. */
  const toForbidden = (changes: readonly Change[], outcome: Outcome, self: string): readonly Change[] =>
    outcome === 'own'
      ? changes.filter(({ before, after }) => !(isOwnChange(self, before) && isOwnChange(self, after)))
      : changes.filter(({ before = '', after = '' }) => (before + after).includes(stranger.id));

  /** Runs the callers who are refused. Nothing may be stored by any of them, so one look at the database is enough. */
  const runRefused = async (operation: Operation, refused: readonly Kind[]): Promise<string[]> => {
    if (refused.length === 0) return [];
    const faults: string[] = [];
    const before = await takeSnapshot(connection);
    for (const kind of refused) {
      const result = await perform(operation, kind, idsOf(kind));
      faults.push(...judge(outcomeOf(operation, kind), result).map((fault) => `${operation.key} × ${kind}: ${fault}`));
    }
    const changes = changesBetween(before, await takeSnapshot(connection));
    return [...faults, ...changes.map((change) => `${operation.key} × refused callers: ${describe(change)}`)];
  };

  const runServed = async (operation: Operation, kind: Kind): Promise<string[]> => {
    const outcome = outcomeOf(operation, kind);
    const lasting = idsOf(kind);
    const ids = outcome === 'allowed' ? await targets.makeFresh(kind, operation, lasting) : lasting;
    const before = await takeSnapshot(connection);
    const result = await perform(operation, kind, ids);
    const changes = changesBetween(before, await takeSnapshot(connection));
    // Later calls find what they are about as it was.
    if (outcome === 'unheard' || outcome === 'told') await undo(connection, changes);
    const secrets = rowOf(operation)?.secrets?.(ids) ?? secretsOf(ids);
    const faults = [...judge(outcome, result, secrets), ...toForbidden(changes, outcome, ids.self).map(describe)];
    return faults.map((fault) => `${operation.key} × ${kind}: ${fault}`);
  };

  /** What witnesses heard and nodes logged. @param hearers witnesses who may hear it */
  const listen = async (operation: Operation, hearers: readonly Heard['who'][]): Promise<string[]> => {
    const heard = (await scene.hear()).filter((one) => !isPresence(one) && !hearers.includes(one.who));
    return [
      ...heard.map(({ who, namespace, event, payload }) => {
        const what = `${event} on ${namespace}: ${JSON.stringify(payload)}`;
        return `${operation.key}: the witness ${who} heard ${what}`;
      }),
      ...scene.takeErrors().map((line) => `${operation.key}: an error was logged: ${line}`),
    ];
  };

  const run = async (operation: Operation): Promise<string[]> => {
    await scene.resetLimits();
    const heardBy = rowOf(operation)?.heardBy ?? ['owner'];
    const areOf = (test: (outcome: Outcome) => boolean) => kinds.filter((kind) => test(outcomeOf(operation, kind)));
    const serve = async (outcomes: readonly Outcome[]): Promise<string[]> => {
      const found: string[] = [];
      for (const kind of areOf((outcome) => outcomes.includes(outcome)))
        found.push(...(await runServed(operation, kind)));
      return found;
    };
    const isUnheard = areOf((outcome) => outcome === 'unheard').length > 0;
    return [
      ...(await runRefused(operation, areOf(isRefusal))),
      ...(await serve(['own'])),
      ...(await listen(operation, [])),
      ...(isUnheard ? await serve(['unheard']) : []),
      ...(isUnheard ? await listen(operation, without(heardBy, 'owner')) : []),
      ...(await serve(['told', 'allowed'])),
      ...(await listen(operation, heardBy)),
    ];
  };

  return {
    run: (operation) => scene.wait(run(operation)),
    async close() {
      await targets.close();
      await scene.close();
    },
  };
}

const without = <T>(list: readonly T[], excluded: T): T[] => list.filter((one) => one !== excluded);

const describe = ({ key, after }: Change): string => `stored ${key}: ${after ?? 'deleted'}`;

function judge(outcome: Outcome, { code, answer }: Result, secrets: readonly string[] = []): string[] {
  if (isRefusal(outcome)) return code === outcome ? [] : [`expected ${outcome}, got ${code ?? `success: ${answer}`}`];
  if (code !== undefined) return [`expected success (${outcome}), got ${code}: ${answer}`];
  return outcome === 'own' ? secrets.filter((secret) => answer.includes(secret)).map((one) => `shows ${one}`) : [];
}

/** What an answer to another user must not contain. */
const secretsOf = ({ support, chat, team, prospect, notificationId }: Ids): readonly string[] => [
  SECRET_TEXT,
  notificationId,
  ...[support, chat, team, prospect].flatMap(({ id, messageId }) => [id, messageId]),
];
