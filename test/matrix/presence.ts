import { groups } from './kinds.js';
import type { Actor, People } from './people.js';
import type { Heard } from './witnesses.js';

/**
 * Events about presence can arrive at any time: users connect and disconnect, and a node that renews its lease in Redis too late
 * counts as lost, so that all of its users are away until it does.
 * @returns whether an event tells a witness of the presence of a user whose presence that witness may know
 */
export function createPresenceRule({ owner, ringer, bystander, stranger, otherAgent, actors }: People) {
  const toIds = (some: readonly Actor[]): ReadonlySet<string> => new Set(some.map(({ id }) => id));
  const of = (kinds: readonly (keyof typeof actors)[]): Actor[] => kinds.map((kind) => actors[kind]);

  const inside = of(['member', 'noScope', 'locked', 'deactivated']);
  const colleagues = [owner, ringer, bystander, otherAgent, ...inside, ...of(groups.colleagues)];
  /** Whose status a witness hears: all of the account, without users with a block. */
  const statuses: Partial<Record<Heard['who'], ReadonlySet<string>>> = {
    owner: toIds(colleagues),
    bystander: toIds([...colleagues, ...of(groups.peers)]),
    stranger: toIds([stranger]),
  };
  /** Whose presence a witness hears: those who share a conversation, chat or department, without users with a block. */
  const contacts: Partial<Record<Heard['who'], ReadonlySet<string>>> = {
    owner: toIds([ringer, bystander, stranger, ...inside]),
    bystander: toIds([ringer, owner, stranger]),
    stranger: toIds([ringer, owner, bystander]),
    otherAgent: toIds([ringer, actors.otherDepartment]),
  };

  return ({ who, event, payload }: Heard): boolean => {
    if (event === 'active_status') {
      const { userID, conversation_active_status: status } = payload as Record<string, string>;
      return status === 'away' && statuses[who]?.has(userID ?? '') === true;
    }
    if (!/^(user|agent)_(online|offline)$/.test(event)) return false;
    return contacts[who]?.has((payload as { userId: string }).userId) === true;
  };
}
