/** The namespaces of the platform's users, by what is said in them. */
export const conversationNamespaces = ['/v1/conversation', '/v1/conversation/live'] as const;

/** The namespace of the platform's events. */
export const sharedNamespace = '/v1/shared';

/** The namespace of the lead finder, where nobody is asked who they are. */
export const leadFinderNamespace = '/v1/lead-finder';

/** The namespace that the support chat and the community chat share, as their originals have it. */
export const chatNamespace = '/';

/** The namespace of the agents of a department. */
export const departmentNamespace = '/department';

/** Where chats are. */
export const chatNamespaces: readonly string[] = [chatNamespace, departmentNamespace];

/** The namespaces where a socket belongs to a user of the platform: what `*` means to the emit API. */
export const userNamespaces: readonly string[] = [sharedNamespace, ...conversationNamespaces];

/** Every namespace that a user of the platform enters with a token: where they are disconnected. */
export const tokenNamespaces: readonly string[] = [...userNamespaces, ...chatNamespaces];

/** The namespace of a push site. */
export const siteNamespace = (site: string): string => `/${site}`;

/** What no site may be called, in lower case: the first parts of the gateway's own namespaces and paths. */
export const reservedSiteNames: readonly string[] = ['v1', 'department', 'admin', 'socket', 'socket.io', 'health'];
