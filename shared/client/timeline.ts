import { type Change, changed, type Items, LiveView, type View, type ViewSource } from './live-view.js';

/** Messages on one page. */
const PAGE = 50;
/** Pages that catching up reads beyond those that are shown. What is older is dropped, and read again by `older`. */
const PAGES_MAX = 10;

/** One page, oldest first. */
export interface Page<M> {
  readonly items: readonly M[];
  /** There are older ones. */
  readonly hasMore: boolean;
}

/** Where the messages of a conversation come from. */
export interface TimelineSource<M> extends ViewSource<M> {
  /** The newest messages, or those before one. */
  read(range: { readonly before: string | undefined; readonly limit: number }): Promise<Page<M>>;
}

/** The newest messages of a conversation without a gap, as the server has them. */
export interface Timeline<M> extends View {
  /** Oldest first. A new list at each change. */
  readonly messages: readonly M[];
  readonly hasOlder: boolean;
  /** Reads one more page. @throws GatewayClientError */
  older(): Promise<void>;
}

/** A message has come: at the end, or in the place of what is known of it. */
export const added =
  <M extends { readonly _id: string }>(message: M): Change<M> =>
  (messages) =>
    messages.some(({ _id }) => _id === message._id)
      ? changed(message._id, () => message)(messages)
      : [...messages, message];

/** Shows the messages of a conversation and keeps them equal to those of the server. */
export function createTimeline<M extends { readonly _id: string }>(source: TimelineSource<M>): Timeline<M> {
  const view = new LiveView<M>(source, {
    async more(shown) {
      const { items, hasMore } = await source.read({ before: shown[0]?._id, limit: PAGE });
      return (newer) => ({ items: [...items, ...newer], hasMore });
    },
    async again(shown) {
      const read = await readBack(source, shown);
      return () => read;
    },
  });
  return {
    get messages() {
      return view.items;
    },
    get hasOlder() {
      return view.hasMore;
    },
    get isCurrent() {
      return view.isCurrent;
    },
    get problem() {
      return view.problem;
    },
    older: () => view.more(),
    refresh: () => view.refresh(),
    subscribe: (listener) => view.subscribe(listener),
    close: () => view.close(),
  };
}

/** Reads from the newest message back to the oldest that is shown: messages may have been changed since they were read. */
async function readBack<M extends { readonly _id: string }>(
  { read }: Pick<TimelineSource<M>, 'read'>,
  shown: readonly M[],
): Promise<Items<M>> {
  const oldest = shown[0]?._id;
  const pagesMax = Math.ceil(shown.length / PAGE) + PAGES_MAX;
  let messages: readonly M[] = [];
  for (let pages = 1; ; pages += 1) {
    const { items, hasMore } = await read({ before: messages[0]?._id, limit: PAGE });
    messages = [...items, ...messages];
    const isEnough = oldest === undefined || items.some(({ _id }) => _id === oldest) || pages >= pagesMax;
    if (isEnough || !hasMore || items.length === 0) return { items: messages, hasMore };
  }
}
