#!/bin/sh
# Makes the secrets of docker-compose.yml in compose-secrets/, or in the given directory. Existing ones are kept.
set -eu
cd "$(dirname "$0")/../.."
directory=${1:-compose-secrets}
# Other users of this machine cannot enter the directory. The users of the containers read the files that are mounted.
mkdir -p "$directory"
chmod 700 "$directory"
umask 022

random() { head -c 32 /dev/urandom | od -An -v -t x1 | tr -d ' \n'; }
keep() { [ -s "$directory/$1" ] || printf '%s\n' "$2" > "$directory/$1"; }
content() { cat "$directory/$1"; }

for name in jwt_secrets emit_api_keys redis_password mongodb_password; do
  keep "$name" "$(random)"
done
keep redis_url "redis://:$(content redis_password)@redis:6379"
keep mongodb_url "mongodb://gateway:$(content mongodb_password)@mongo:27017/general-socket?replicaSet=rs0&authSource=admin"
echo "The secrets are in $directory. A backend shows the key in $directory/emit_api_keys."
