/** The namespaces of conversations. */
export const conversationNamespaces = ['/v1/conversation', '/v1/conversation/live'] as const;

/** The namespace of platform events. */
export const sharedNamespace = '/v1/shared';

/** The namespace of the lead finder, which has no authentication. */
export const leadFinderNamespace = '/v1/lead-finder';

/** The namespace that the support chat and the community chat share, as in the original systems. */
export const chatNamespace = '/';

/** The namespace of department agents. */
export const departmentNamespace = '/department';

/** The namespaces of the chats. */
export const chatNamespaces: readonly string[] = [chatNamespace, departmentNamespace];

/** The namespaces whose sockets belong to platform users; `*` in the emit API. */
export const userNamespaces: readonly string[] = [sharedNamespace, ...conversationNamespaces];

/** Every namespace with token authentication; `POST /users/:userId/disconnect` covers all of them. */
export const tokenNamespaces: readonly string[] = [...userNamespaces, ...chatNamespaces];

/** The namespace of a push site. */
export const siteNamespace = (site: string): string => `/${site}`;

/** Reserved site names, in lower case: the first segments of the gateway's own namespaces and paths. */
export const reservedSiteNames: readonly string[] = ['v1', 'department', 'admin', 'socket', 'socket.io', 'health'];
