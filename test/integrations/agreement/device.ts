import type { TestClient } from '../../support/client.js';
import type { TestEnvironment, TestUser } from '../../support/environment.js';
import { type CommunityState, followCommunity } from './community.js';
import type { Fold } from './fold.js';
import { followPresence, type PresenceState } from './presence.js';
import { followSupport, type SupportState } from './support.js';
import { followTeam, type TeamState } from './team.js';

/** One connection of a user to a node: what its client shows. */
export interface Connection {
  readonly user: TestUser;
  readonly node: number;
  /** On `/`. */
  readonly chat: TestClient;
  /** On `/v1/conversation`. */
  readonly team: TestClient;
  readonly shown: {
    readonly team: Fold<TeamState>;
    readonly support: Fold<SupportState>;
    readonly community: Fold<CommunityState>;
    readonly presence: PresenceState;
  };
  /** Loads everything again. */
  load(): Promise<void>;
  close(): void;
}

/** Connects a user, and loads everything. */
export async function openConnection(environment: TestEnvironment, user: TestUser, node: number): Promise<Connection> {
  const [chat, team] = await Promise.all([
    environment.open(user, { node, namespace: '/' }),
    environment.open(user, { node }),
  ]);
  const shown = {
    team: followTeam(team, user.id),
    support: followSupport(chat, user.id),
    community: followCommunity(environment, chat, { user, node: node % 2 }),
    presence: followPresence(chat),
  };
  const load = async (): Promise<void> => {
    await Promise.all([shown.team.load(), shown.support.load(), shown.community.load()]);
  };
  await load();
  return {
    user,
    node,
    chat,
    team,
    shown,
    load,
    close() {
      chat.close();
      team.close();
    },
  };
}

/** A device of a user: it disconnects, and connects again to any node. */
export interface Device {
  /** `undefined`: not connected. */
  readonly connection: Connection | undefined;
  /** Resolves when a connect that is under way has loaded everything. */
  arrive(): Promise<void>;
  connect(node: number): Promise<void>;
  disconnect(): void;
}

export function createDevice(environment: TestEnvironment, user: TestUser): Device {
  let connection: Connection | undefined;
  let connecting: Promise<void> | undefined;
  return {
    get connection() {
      return connection;
    },
    arrive: async () => connecting,
    async connect(node) {
      connecting ??= openConnection(environment, user, node)
        .then((opened) => {
          connection = opened;
        })
        .finally(() => {
          connecting = undefined;
        });
      await connecting;
    },
    disconnect() {
      connection?.close();
      connection = undefined;
    },
  };
}
