import { findAnonymousFunctions } from './anonymous-functions.js';
import type { Source } from './sources.js';
import { findUndocumented } from './undocumented.js';

/** Something that holds for every source file, with one text that breaks it, by which the rule itself is tested. */
export interface Rule {
  readonly name: string;
  /** What in the file breaks the rule; empty when it holds. */
  readonly findIn: (source: Source) => readonly string[];
  readonly violation: { readonly path: string; readonly text: string };
}

/** Files that are a process, or its first steps. */
const ENTRY_POINTS = ['src/main.ts', 'src/run.ts', 'src/workers/child.ts', 'src/embedded/process/child.ts'];

/** The rules of the architecture that can be seen in one file. */
export const rules: readonly Rule[] = [
  {
    name: 'the environment is read by the process that starts, and nowhere else',
    findIn: (source) =>
      isIn(source, 'src/run.ts', 'src/embedded/', 'scripts/', 'test/') ? [] : search(source, /\bprocess\.env\b/g),
    violation: { path: 'src/platform/redis/connect.ts', text: 'const url = process.env.REDIS_URL;' },
  },
  {
    name: 'a process ends itself in its entry point only',
    findIn: (source) =>
      isIn(source, ...ENTRY_POINTS, 'scripts/', 'test/') ? [] : search(source, /\bprocess\.exit\b/g),
    violation: { path: 'src/transport/connections/drain-connections.ts', text: 'process.exit(0);' },
  },
  {
    name: 'private parts of libraries are used in library-internals only',
    findIn: (source) =>
      isIn(source, 'src/') && !isIn(source, 'src/library-internals/', 'src/embedded/')
        ? search(source, PRIVATE_PART)
        : [],
    violation: { path: 'src/transport/x.ts', text: 'for (const namespace of io._nsps.values()) close(namespace);' },
  },
  {
    name: 'only the emitter sends to rooms and namespaces',
    findIn: (source) => (isIn(source, 'src/realtime/emitter.ts', 'scripts/', 'test/') ? [] : search(source, TO_A_ROOM)),
    violation: { path: 'src/integrations/x/service.ts', text: "io.of('/v1/shared').to(room).emit('x');" },
  },
  {
    name: 'only rooms.ts spells the names of rooms',
    findIn: (source) => (isIn(source, 'src/realtime/rooms.ts', 'scripts/', 'test/') ? [] : search(source, ROOM_NAME)),
    violation: { path: 'src/integrations/x/handlers.ts', text: 'enter(`scraper:' + '$' + '{id}`);' },
  },
  {
    name: 'nothing waits for every node',
    findIn: (source) => search(source, /\.(?:fetchSockets|serverSideEmit|serverSideEmitWithAck|allSockets)\b/g),
    violation: { path: 'src/realtime/emitter.ts', text: 'await io.of(name).fetchSockets();' },
  },
  {
    name: 'the embedded database knows nothing of the gateway',
    findIn: (source) =>
      source.path.startsWith('src/embedded/')
        ? importsThat(source, (target) => isOurs(target) && !target.startsWith('src/embedded/'))
        : [],
    violation: { path: 'src/embedded/wire/listener.ts', text: "import { GatewayError } from '../../errors.js';" },
  },
  {
    name: 'the embedded database needs Node.js and bson, no other package',
    findIn: (source) =>
      source.path.startsWith('src/embedded/')
        ? importsThat(source, (target) => !isOurs(target) && !target.startsWith('node:') && target !== 'bson')
        : [],
    violation: { path: 'src/embedded/engine/read.ts', text: "import { mongo } from 'mongoose';" },
  },
  {
    name: 'each folder of the embedded database imports only folders below it, types included',
    findIn: (source) => {
      const layer = embeddedLayerOf(source.path);
      const allowed = EMBEDDED_LAYERS[layer ?? ''];
      if (layer === undefined) return [];
      if (allowed === undefined) return [`${layer} is not in the table of layers`];
      return importsThat(source, (target) => {
        const imported = embeddedLayerOf(target);
        return imported !== undefined && imported !== layer && !allowed.includes(imported);
      });
    },
    violation: {
      path: 'src/embedded/query/filters/x.ts',
      text: "import type { Pipeline } from '../pipelines/pipeline.js';",
    },
  },
  {
    name: 'the gateway enters the embedded database by its front door, in one place, and the test kit in another',
    findIn: (source) => {
      if (isIn(source, 'src/embedded/', 'scripts/', 'test/')) return [];
      const isDoor = isIn(source, 'src/platform/mongo/connect.ts', 'src/testing/index.ts');
      return importsThat(
        source,
        (target) => target.startsWith('src/embedded/') && !(isDoor && target === 'src/embedded/index.ts'),
      );
    },
    violation: {
      path: 'src/platform/mongo/connect.ts',
      text: "import { x } from '../../embedded/process/launcher.js';",
    },
  },
  {
    name: 'an integration is entered by its index',
    findIn: (source) => {
      if (isIn(source, 'test/')) return [];
      const own = /^src\/integrations\/[^/]+\//.exec(source.path)?.[0];
      return importsThat(source, (target) => {
        const folder = /^src\/integrations\/[^/]+\//.exec(target)?.[0];
        return folder !== undefined && folder !== own && target !== `${folder}index.ts`;
      });
    },
    violation: { path: 'src/integrations/x/handlers.ts', text: "import { y } from '../y/service.js';" },
  },
  {
    name: 'each folder imports only what stands below it, types included',
    findIn: (source) => {
      const allowed = LAYERS[layerOf(source.path) ?? ''];
      if (!isIn(source, 'src/', 'shared/')) return [];
      if (allowed === undefined) return [`${layerOf(source.path)} is not in the table of layers`];
      return importsThat(source, (target) => {
        const layer = layerOf(target);
        return layer !== undefined && layer !== layerOf(source.path) && !allowed.includes(layer);
      });
    },
    violation: { path: 'src/realtime/x.ts', text: "import type { x } from '../transport/dispatch.js';" },
  },
  {
    name: 'each folder of durable delivery imports only folders below it, types included',
    findIn: (source) => importsFromAbove(source, 'src/realtime/delivery/', DELIVERY_FOLDERS),
    violation: {
      path: 'src/realtime/delivery/storage/x.ts',
      text: "import type { Outbox } from '../outbox/outbox.js';",
    },
  },
  {
    name: 'each folder of the transport imports only folders below it, types included',
    findIn: (source) => importsFromAbove(source, 'src/transport/', TRANSPORT_FOLDERS),
    violation: {
      path: 'src/transport/connections/x.ts',
      text: "import type { Body } from '../http/body.js';",
    },
  },
  {
    name: 'what is shared with other services stands alone',
    findIn: (source) =>
      source.path.startsWith('shared/')
        ? importsThat(source, (target) => isOurs(target) && !target.startsWith('shared/'))
        : [],
    violation: { path: 'shared/models/user.ts', text: "import { rooms } from '../../src/realtime/rooms.js';" },
  },
  {
    name: 'the page of the console needs its packages and what is shared, and no schema at run time',
    findIn: ({ path, imports }) =>
      path.startsWith('src/console/')
        ? imports.filter((found) => !mayLoadInPage(found)).map(({ target }) => target)
        : [],
    violation: {
      path: 'src/console/views/x.tsx',
      text: "import { nodes } from '#shared/contracts/administration.js';",
    },
  },
  {
    name: 'the page of the console shows text as text',
    findIn: (source) =>
      source.path.startsWith('src/console/')
        ? search(source, /\b(?:dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|srcdoc)\b/g)
        : [],
    violation: { path: 'src/console/views/x.tsx', text: 'const x = <p dangerouslySetInnerHTML={{ __html: name }} />;' },
  },
  {
    name: 'a service knows neither sockets nor requests',
    findIn: (source) =>
      /^src\/integrations\/.*service\.ts$/.test(source.path)
        ? importsThat(source, (target) => /^(?:express|socket\.io|src\/transport\/.*)$/.test(target))
        : [],
    violation: { path: 'src/integrations/x/service.ts', text: "import type { Request } from 'express';" },
  },
  {
    name: 'tests get their databases from one place, so that they run on any server',
    findIn: (source) =>
      source.path.startsWith('test/') && !isIn(source, 'test/embedded/', 'test/support/database.ts')
        ? importsThat(source, (target) => target === 'src/embedded/index.ts')
        : [],
    violation: { path: 'test/gateway/x.test.ts', text: "import { startEmbedded } from '../../src/embedded/index.js';" },
  },
  {
    name: 'input from outside is parsed by validation.ts, which catches what the library throws',
    findIn: (source) =>
      isIn(source, 'src/') && !isIn(source, 'src/validation.ts', 'src/config.ts', 'src/config/', 'src/embedded/')
        ? search(source, /\.safeParse\((?!\{)/g)
        : [],
    violation: { path: 'src/auth/x.ts', text: 'const parsed = claims.safeParse(payload);' },
  },
  {
    name: 'limits of events and routes are numbers of their contracts, or of settings',
    findIn: (source) =>
      isIn(source, 'src/') && !isIn(source, 'src/config/') ? search(source, /\bwindowMs:\s*\d/g) : [],
    violation: { path: 'src/integrations/x/routes.ts', text: 'const LIMIT = { points: 10, windowMs: 60_000 };' },
  },
  {
    name: 'exports have names',
    findIn: (source) => search(source, /^export default\b/gm),
    violation: { path: 'src/x.ts', text: 'export default 1;' },
  },
  {
    name: 'exported names have TSDoc, but for examples, which show what their contract documents',
    findIn: (source) =>
      isIn(source, 'src/', 'shared/', 'scripts/') && !isIn(source, 'shared/contracts/examples/')
        ? findUndocumented(source)
        : [],
    violation: { path: 'src/x.ts', text: '/** Not of `b`. */\nexport const a = 1;\nexport const b = 1;' },
  },
  {
    name: 'the function that a factory returns has a name, which profiles and stack traces show',
    findIn: (source) => (isIn(source, 'src/', 'shared/') ? findAnonymousFunctions(source) : []),
    violation: { path: 'src/x.ts', text: 'const createX = (one: number) => (two: number) => one + two;' },
  },
  {
    name: 'a literal is not spread: its parts are written where they go',
    findIn: (source) => search(source, /\.\.\.(?:\{[^{}]*\}|\(?\[[^[\]]*\](?: as const\))?)(?=[,\s\]})])/g),
    violation: { path: 'src/x.ts', text: `const a = { ${'...'}{ b, c }, d };` },
  },
  {
    name: 'no folder is for things without a place',
    findIn: ({ path }) => (/^src\/(?:.*\/)?(?:utils|helpers|common|misc)\//.test(path) ? [path] : []),
    violation: { path: 'src/utils/strings.ts', text: '' },
  },
  {
    name: 'a test moves time by advanceUntil, which gives real time to what it waits for',
    findIn: (source) =>
      search(source, /\b(?:until|poll|setInterval)\((?:async )?\(\) =>(?: \{[^{}]*| [^;{}]*)\.advance\(/g),
    violation: { path: 'test/x.test.ts', text: 'await until(() => {\n  clock.advance(100);\n  return isClosed;\n});' },
  },
  {
    name: 'every test runs',
    findIn: (source) => search(source, /\b(?:test|it|describe)\.(?:only|skip|skipIf|runIf|todo|fails)\b/g),
    violation: { path: 'test/x.test.ts', text: `test.${'skip'}('x', () => {});` },
  },
];

const GROUND = ['shared', 'errors', 'validation'];
const OUTSIDE = [...GROUND, 'library-internals', 'platform'];
const IDENTITY = [...OUTSIDE, 'config', 'models', 'auth', 'sockets'];

const ALL = [...IDENTITY, 'realtime', 'framework', 'integrations', 'transport', 'documents'];

/** What the files of each folder may import beside their own folder. A file directly in `src` is a folder of its own. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  // Runs in the browser.
  console: ['shared'],
  errors: ['shared'],
  validation: ['shared', 'errors'],
  'library-internals': [...GROUND, 'platform'],
  // Its own folders have a table of their own, and one file of `platform` enters it.
  embedded: [],
  platform: [...GROUND, 'embedded'],
  config: [...GROUND, 'platform'],
  models: OUTSIDE,
  documents: ['shared'],
  auth: [...OUTSIDE, 'config', 'models'],
  sockets: [...OUTSIDE, 'auth'],
  realtime: IDENTITY,
  framework: [...IDENTITY, 'realtime'],
  integrations: [...IDENTITY, 'realtime', 'framework', 'documents'],
  transport: [...IDENTITY, 'realtime', 'framework'],
  app: ALL,
  workers: ['app', 'config', 'errors', 'framework', 'library-internals', 'platform', 'transport'],
  run: ['app', 'config', 'platform', 'workers'],
  main: ['run', 'platform'],
  testing: ['shared', 'platform', 'embedded', 'config', 'realtime', 'framework', 'app'],
};

/** The folders of durable delivery from bottom to top. */
const DELIVERY_FOLDERS = ['storage', 'push', 'devices', 'outbox', 'ingest', 'diagnostics', 'migration', 'maintenance'];

/** The folders of the transport from bottom to top. */
const TRANSPORT_FOLDERS = ['connections', 'http', 'server', 'events'];

/** What a file imports of the folders of `root` that come after its own in the list. Files directly in `root` may be imported. */
function importsFromAbove(source: Source, root: string, folders: readonly string[]): string[] {
  const placeOf = (path: string): number => folders.indexOf(folderIn(root, path) ?? '');
  const folder = folderIn(root, source.path);
  if (folder === undefined) return [];
  if (!folders.includes(folder)) return [`${folder} is not in the list of folders`];
  return importsThat(source, (target) => placeOf(target) > placeOf(source.path));
}

/** `src/transport/`, `src/transport/http/body.ts` → `http`; `undefined` for what is in no folder of `root`. */
function folderIn(root: string, path: string): string | undefined {
  return path.startsWith(root) ? /^([^/]+)\//.exec(path.slice(root.length))?.[1] : undefined;
}

/** `src/auth/scope.ts` → `auth`; `undefined` for what is neither `src` nor `shared`. */
function layerOf(path: string): string | undefined {
  const [top, name] = path.split('/');
  if (top === 'shared') return 'shared';
  return top === 'src' ? name?.replace(/\.ts$/, '') : undefined;
}

const BSON = ['errors', 'bson'];
const FILTERS = [...BSON, 'query', 'query/expressions', 'query/filters'];
const ENGINE = [...FILTERS, 'query/updates', 'engine', 'engine/indexes', 'engine/planner'];
const REQUEST = [...ENGINE, 'wire', 'commands/state'];

/** The layers of the embedded database from bottom to top, with what each may import besides itself. */
const EMBEDDED_LAYERS: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  bson: ['errors'],
  query: BSON,
  'query/expressions': [...BSON, 'query'],
  'query/filters': [...BSON, 'query', 'query/expressions'],
  'query/projections': FILTERS,
  'query/pipelines': [...FILTERS, 'query/projections'],
  'query/updates': [...FILTERS, 'query/pipelines'],
  store: ['errors'],
  'engine/tree': [],
  'engine/indexes': [...FILTERS, 'engine/tree'],
  'engine/planner': [...FILTERS, 'engine/tree', 'engine/indexes'],
  engine: [...FILTERS, 'store', 'engine/indexes', 'engine/planner'],
  wire: BSON,
  'commands/state': [...BSON, 'engine'],
  'commands/request': REQUEST,
  'commands/statements': [...REQUEST, 'commands/request'],
  commands: [...REQUEST, 'query/projections', 'query/pipelines', 'commands/request', 'commands/statements'],
  server: ['store', 'engine', 'wire', 'commands', 'commands/state'],
  process: ['wire', 'server'],
  maintenance: ['bson', 'store', 'engine', 'wire', 'server'],
  index: ['process'],
};

/**
 * `src/embedded/query/filters/filter.ts` → `query/filters`: the deepest folder in the table, or else the path below
 * `src/embedded`. `undefined` outside the database.
 */
function embeddedLayerOf(path: string): string | undefined {
  const [, below] = /^src\/embedded\/(.+)\.ts$/.exec(path) ?? [];
  if (below === undefined) return undefined;
  const known = Object.keys(EMBEDDED_LAYERS).filter((layer) => below === layer || below.startsWith(`${layer}/`));
  return known.sort((left, right) => right.length - left.length)[0] ?? below;
}

const SENDERS = '(?:to|in|except|emit|send|local|volatile|timeout|socketsJoin|socketsLeave|disconnectSockets)';
const TO_A_ROOM = new RegExp(
  String.raw`\b(?:io|nsp|namespace)\.${SENDERS}\b|\.of\([^)]*\)\s*\.${SENDERS}\b|\bsocket\.(?:to|in|except|broadcast)\b`,
  'g',
);
/** A field that begins with an underscore, but for MongoDB's `_id` and what Zod documents for authors of libraries. */
const PRIVATE_PART = /\._(?!(?:id|zod)\b)[a-z]\w*/g;
const ROOM_NAME = /\b(?:socket\.join|socket\.leave|enter|leave)\(\s*['"`]|\broom:\s*['"`]|\brooms?\.has\(\s*['"`]/g;

/** Contracts are types in the page, because their schemas would make it large. The tables of errors and reasons have none. */
const mayLoadInPage = ({ target, isTypeOnly }: Source['imports'][number]): boolean =>
  isTypeOnly ||
  /^(?:src\/console|shared\/client|shared\/utilities)\//.test(target) ||
  /^(?:preact(?:\/hooks)?|@preact\/signals|uplot|socket\.io-client)$/.test(target) ||
  /^shared\/contracts\/(?:errors|delivery-reasons)\.ts$/.test(target);

const isOurs = (target: string): boolean => /^(?:src|shared|scripts|test)\//.test(target);

/** Whether the file is one of these, or below one of these folders. */
const isIn = ({ path }: Source, ...places: readonly string[]): boolean =>
  places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place));

const search = ({ code }: Source, pattern: RegExp): string[] => [...code.matchAll(pattern)].map(([found]) => found);

const importsThat = ({ imports }: Source, isForbidden: (target: string) => boolean): string[] =>
  imports.map(({ target }) => target).filter(isForbidden);
