#!/bin/sh
# Sends a durable event to a user. curl retries with the same idempotency key, so the event is stored once.
#
#   GATEWAY_KEY=<one of EMIT_API_KEYS> sh scripts/examples/curl.sh <user id> [url of the gateway]
set -eu

user=${1:?the id of a user is needed}
url=${2:-http://localhost:4000}

curl --silent --show-error --fail-with-body --max-time 30 --retry 3 \
  -X POST "$url/emit/$user/notification?durable=true&ttl=86400" \
  ${GATEWAY_KEY:+-H "x-api-key: $GATEWAY_KEY"} \
  -H 'content-type: application/json' \
  -H "idempotency-key: lead-4711-$user" \
  -d '{ "title": "New Lead", "message": "You have a new lead!" }' || {
  echo "not sent: cannot emit through $url" >&2
  exit 1
}
