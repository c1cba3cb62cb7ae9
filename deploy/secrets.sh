#!/bin/sh
# Make deploy/secrets with a random database password, and the files that a person fills in; files that are there stay.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
if [ ! -e secrets/database.env ]; then
  password=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')
  printf 'POSTGRES_PASSWORD=%s\nPGPASSWORD=%s\n' "$password" "$password" > secrets/database.env
fi
for name in platform logins; do
  [ -e "secrets/$name.env" ] || cat "examples/$name.env" > "secrets/$name.env"
done
echo "Fill in deploy/secrets/logins.env, and deploy/secrets/platform.env where services need keys (docs/deployment.md)."
