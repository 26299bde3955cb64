#!/bin/sh
# Sends a durable event to a user. It retries with the same idempotency key, so the event is stored once.
#
#   GATEWAY_KEY=<one of EMIT_API_KEYS> sh scripts/examples/curl.sh <user id> [url of the gateway]
set -eu

user=${1:?the id of a user is needed}
url=${2:-http://localhost:4000}
# Derive the key from an id that the event has of its own, such as that of the lead.
key="lead-4711-$user"

for pause in 0.2 0.4 0.8 0; do
  # --retry waits and tries again after 429, 500, 502, 503, 504 and a time-out.
  curl --silent --show-error --fail-with-body --max-time 10 --retry 3 \
    -X POST "$url/emit/$user/notification?durable=true&ttl=86400" \
    ${GATEWAY_KEY:+-H "x-api-key: $GATEWAY_KEY"} \
    -H 'content-type: application/json' \
    -H "idempotency-key: $key" \
    -d '{ "title": "New Lead", "message": "You have a new lead!" }' && echo && exit 0
  # 22 is an answer of the gateway. Otherwise the connection was lost, perhaps after the event was stored.
  [ $? -eq 22 ] && break
  sleep "$pause"
done
echo "not sent: cannot emit through $url" >&2
exit 1
