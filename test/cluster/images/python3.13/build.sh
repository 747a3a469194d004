#!/bin/sh
# Python 3.13 of a newer Debian, C library included, with AWS's own runtime interface client from PyPI, as test/clients builds it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/../common/lambda-folders.sh" "$ROOT"
cp -r "$CLIENT/lang/debian" "$ROOT/var/lang/"
cp -r "$CLIENT/lang/bin/." "$ROOT/var/lang/bin/"
for name in python3 python; do ln -s python3.13 "$ROOT/var/lang/bin/$name"; done
cp -r "$CLIENT/runtime" "$ROOT/var/"
find "$ROOT/var" -name __pycache__ -prune -exec rm -r {} +
