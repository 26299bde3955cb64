/** Users that are logged of one call. */
const USERS_MAX = 20;

/** The users that a call names, by the fields of the contracts; at most 20. Payloads are not looked at. */
export function affectedBy(params: unknown, body: unknown): string[] {
  const { items } = fieldsOf(body);
  const places = [params, ...(Array.isArray(items) ? items : [body])];
  const named = places.slice(0, USERS_MAX).flatMap((place) => {
    const { userId, uid, userIds } = fieldsOf(place);
    return [userId, uid, ...(Array.isArray(userIds) ? userIds.slice(0, USERS_MAX) : [])];
  });
  const users = named.filter((user): user is string => typeof user === 'string');
  return [...new Set(users)].slice(0, USERS_MAX);
}

/** Whom a query names. Other parts of it are not logged: one can be a key. */
export function targetOf(query: unknown): Readonly<Record<string, unknown>> {
  const { account, namespace, deviceId } = fieldsOf(query);
  return {
    ...(account !== undefined && { account }),
    ...(namespace !== undefined && { namespace }),
    ...(deviceId !== undefined && { deviceId }),
  };
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
