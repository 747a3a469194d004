#!/bin/sh
# Debian's Python 3.11 with AWS's own runtime interface client from PyPI.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/../common/lambda-folders.sh" "$ROOT"
"$here/../common/unpack-debian.sh" "$WORK/python" bash,dash,coreutils,libc-bin,python3.11
cd "$WORK/python"
# Compiled files without time stamps: the layer's files all have the same time, and the image's root is read-only.
chroot . /usr/bin/python3.11 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3.11
(cd "$OS_ROOT" && find . ! -type d) > "$WORK/in-os"
xargs -d '\n' rm -f < "$WORK/in-os"
mkdir -p "$ROOT/usr"
cp -r usr/lib "$ROOT/usr/"
install -D -m 755 usr/bin/python3.11 "$ROOT/usr/bin/python3.11"
rm -rf "$ROOT"/usr/lib/*/perl-base "$ROOT/usr/lib/apt" "$ROOT/usr/lib/dpkg"
find "$ROOT/usr" -type d -empty -delete
for name in python3.11 python3 python; do ln -s /usr/bin/python3.11 "$ROOT/var/lang/bin/$name"; done
runtime=$ROOT/var/runtime
python3 -m pip install --quiet --no-compile --require-hashes --requirement "$here/requirements.txt" --target "$runtime" --only-binary :all: \
  --python-version 3.11 --implementation cp --abi cp311 --platform "manylinux2014_$(uname -m)" --platform "manylinux_2_17_$(uname -m)"
install -m 644 "$here/bootstrap.py" "$here/../common/exec-wrapper.sh" "$runtime/"
install -m 755 "$here/bootstrap" "$runtime/bootstrap"
