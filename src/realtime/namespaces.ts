/** Who may enter a namespace: a user with one of the scopes, or anybody. */
export type Access = { readonly who: 'user'; readonly scopes: readonly string[] } | { readonly who: 'anyone' };

/** Every namespace and who may enter it. Events of a namespace need its scopes again unless they name their own. */
export const namespaces = {
  '/v1/conversation': { who: 'user', scopes: ['conversation'] },
  '/v1/conversation/live': { who: 'user', scopes: ['conversation'] },
  '/v1/shared': { who: 'user', scopes: ['conversation'] },
  '/v1/lead-finder': { who: 'anyone' },
} as const satisfies Record<string, Access>;

/** The name of a namespace. */
export type NamespaceName = keyof typeof namespaces;

const names = Object.keys(namespaces) as NamespaceName[];

/** The namespaces where a socket belongs to a user. */
export const userNamespaces: readonly NamespaceName[] = names.filter((name) => namespaces[name].who === 'user');

/** A conversation's events reach both. */
export const conversationNamespaces = ['/v1/conversation', '/v1/conversation/live'] as const;
