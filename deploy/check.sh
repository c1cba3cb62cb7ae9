#!/bin/sh
# Check deploy/ by what runs without Docker and Kubernetes: sh deploy/check.sh FOLDER (new; about 5 GB, minutes).
# The same installation as the image's in a clean environment, what it can do, which libraries of the system it loads, the Compose
# file held to its specification, the settings that the chart would write read by Dagster, and the Caddyfile by Caddy where that is here.
set -eu
folder=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$here/.."

echo "== the installation of the Dockerfile"
sh deploy/install.sh "$folder/platform"
bin=$folder/platform/bin
for name in pytest ruff mypy; do
  if [ -e "$bin/$name" ]; then echo "$name is in the image" >&2; exit 1; fi
done
for name in mining_platform torch; do
  if ! ls "$folder/platform/lib"/python3*/site-packages/$name/__pycache__/*.pyc >/dev/null; then echo "$name is not compiled" >&2; exit 1; fi
done
if command -v readelf >/dev/null 2>&1; then "$bin/python" deploy/check_libraries.py; else echo "not checked: the system's libraries (no readelf here)"; fi

echo "== a home, from outside the project's folder"
cd "$folder"
export MINING_PLATFORM_HOME="$folder/home" MINING_PLATFORM_REGIONS="$here/../regions.geojson" DAGSTER_HOME="$folder/home/dagster"
"$bin/mining-platform" init
for program in dagster dagster-daemon dask; do "$bin/$program" --help >/dev/null; done

echo "== dagster.yaml of the chart"
"$bin/python" "$here/kubernetes/check_values.py"

echo "== compose.yaml"
"${PYTHON:-python3}" -m venv "$folder/tools"
"$folder/tools/bin/python" -m pip install --quiet --disable-pip-version-check pyyaml compose-spec==0.2.1
"$folder/tools/bin/python" "$here/check_compose.py"
if docker compose version >/dev/null 2>&1; then docker compose --file "$here/compose.yaml" config --no-interpolate --no-env-resolution --quiet; else echo "not checked: docker compose config (no such command here)"; fi

echo "== Caddyfile"
if ! command -v caddy >/dev/null 2>&1; then echo "not checked: no caddy here"; exit 0; fi
hash=$(caddy hash-password --plaintext not-a-secret)
export EDITOR_NAME=editor EDITOR_HASH="$hash" READER_NAME=reader READER_HASH="$hash" TLS="tls internal" HOME="$folder" XDG_DATA_HOME="$folder/caddy"
cp "$here/Caddyfile" "$folder/Caddyfile"
case $(caddy version) in 2.[0-7].* | v2.[0-7].*) sed -i 's/basic_auth/basicauth/' "$folder/Caddyfile" ;; esac # its name before 2.8
caddy validate --adapter caddyfile --config "$folder/Caddyfile"
