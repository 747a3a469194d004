#!/bin/sh
# Debian's Python 3.11 with AWS's own runtime interface client from PyPI, as test/clients builds it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/../common/lambda-folders.sh" "$ROOT"
"$here/../../../clients/common/unpack-debian.sh" "$WORK/python" bash,dash,coreutils,libc-bin,python3.11
cd "$WORK/python"
# Compiled files without time stamps: the layer's files all have the same time, and the image's root is read-only.
chroot . /usr/bin/python3.11 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3.11
"$here/../common/keep-new.sh"
mkdir -p "$ROOT/usr"
cp -r usr/lib "$ROOT/usr/"
install -D -m 755 usr/bin/python3.11 "$ROOT/usr/bin/python3.11"
for name in python3.11 python3 python; do ln -s /usr/bin/python3.11 "$ROOT/var/lang/bin/$name"; done
cp -r "$CLIENT/runtime" "$ROOT/var/"
find "$ROOT/var/runtime" -name __pycache__ -prune -exec rm -r {} +
