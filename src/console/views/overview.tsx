import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import type { cluster } from '#shared/contracts/cluster.js';
import { type Answer, toCall } from '../api.js';
import { currentTime } from '../clock.js';
import { formatNumber } from '../format.js';
import { mergeNodes, type NodeRow, stateOf } from '../nodes.js';
import { PageHead } from '../parts/page.js';
import { Note, Shown } from '../parts/states.js';
import { useLoaded } from '../polling.js';
import { type History, mergeHistory, stepsToAsk } from '../series.js';
import { Charts } from './overview-charts.js';
import { Nodes } from './overview-nodes.js';

const getCluster = toCall<typeof cluster.routes.overview>('get', '/cluster');
const getHistory = toCall<typeof cluster.routes.history>('get', '/cluster/history');

const EVERY_MS = 10_000;
/** An hour. */
const STEPS = 360;

/** The nodes of the cluster, what they do now, and what they did in the last hour. */
export function Overview(): JSX.Element {
  const rows = useRef<readonly NodeRow[]>([]);
  const last = useRef<{ readonly history: History; readonly askedAt: number } | undefined>(undefined);

  const load = async (abort: AbortSignal): Promise<Snapshot> => {
    const old = last.current;
    const askedAt = Date.now();
    const steps = old === undefined ? STEPS : stepsToAsk(old.history, askedAt - old.askedAt);
    const ask = (count: number): ReturnType<typeof getHistory> =>
      getHistory({ query: { steps: String(Math.min(count, STEPS)) } }, abort);
    const [{ nodes, totals }, recent] = await Promise.all([getCluster({}, abort), ask(steps)]);
    const history = (old && mergeHistory(old.history, recent)) ?? (steps < STEPS ? await ask(STEPS) : recent);
    rows.current = mergeNodes(rows.current, nodes, currentTime());
    last.current = { history, askedAt };
    return { rows: rows.current, totals, history, missingNodes: recent.missingNodes };
  };
  const loaded = useLoaded(load, { everyMs: EVERY_MS });

  return (
    <>
      <PageHead title="Overview" />
      <Shown of={loaded}>
        {(snapshot) => (
          <>
            <Totals snapshot={snapshot} />
            <Nodes rows={snapshot.rows} reload={loaded.reload} />
            <Missing snapshot={snapshot} />
            <Charts history={snapshot.history} />
          </>
        )}
      </Shown>
    </>
  );
}

interface Snapshot {
  readonly rows: readonly NodeRow[];
  readonly totals: Answer<typeof cluster.routes.overview>['totals'];
  readonly history: History;
  readonly missingNodes: readonly string[];
}

function Totals({ snapshot: { rows, totals } }: { snapshot: Snapshot }): JSX.Element {
  const alive = rows.filter(({ presence }) => presence !== 'gone');
  const ready = alive.filter((row) => stateOf(row) === 'ready').length;
  const isWhole = ready === alive.length;
  return (
    <dl class="tiles">
      <Tile label="Nodes ready" value={`${ready} of ${alive.length}`} {...(isWhole ? {} : { tone: 'warn' })} />
      <Tile label="Connections" value={formatNumber(totals.connections)} />
      <Tile label="Users" value={formatNumber(totals.users)} />
      <Tile label="Events per second" value={formatNumber(totals.eventsPerSecond)} />
      <Tile label="Emits per second" value={formatNumber(totals.emitsPerSecond)} />
      <Tile label="Durable messages waiting" value={formatNumber(totals.waiting)} />
    </dl>
  );
}

function Tile({ label, value, tone = '' }: { label: string; value: string; tone?: string }): JSX.Element {
  return (
    <div>
      <dt>{label}</dt>
      <dd class={tone}>{value}</dd>
    </div>
  );
}

/** The last samples lack some nodes. */
function Missing({ snapshot: { rows, missingNodes } }: { snapshot: Snapshot }): JSX.Element | null {
  if (missingNodes.length === 0) return null;
  const names = missingNodes.map((id) => rows.find(({ node }) => node.id === id)?.node.name ?? id);
  return (
    <Note>
      The totals and the last samples are without {names.join(', ')}: {names.length === 1 ? 'it does' : 'they do'} not
      answer.
    </Note>
  );
}
