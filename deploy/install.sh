#!/bin/sh
# Install the platform into a new virtual environment, every version pinned: sh deploy/install.sh DIRECTORY, in the project's folder.
# pip compiles what it installs, and passes over modules that are written for another Python (torch and aenum have some).
set -eu
target=$1
"${PYTHON:-python3}" -m venv "$target"
"$target/bin/python" -m pip install --quiet --disable-pip-version-check \
  --constraint constraints.txt --constraint deploy/constraints-kubernetes.txt \
  '.[clouds,cluster,cloud,postgres]' dagster-k8s
"$target/bin/python" -m pip check
