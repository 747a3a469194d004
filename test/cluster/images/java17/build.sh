#!/bin/sh
# Debian's Java 17 with AWS's own runtime interface client from Maven, as test/clients builds it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/../common/lambda-folders.sh" "$ROOT"
"$here/../../../clients/common/unpack-debian.sh" "$WORK/java" bash,dash,coreutils,libc-bin,openjdk-17-jre-headless
cd "$WORK/java"
home=$(ls -d usr/lib/jvm/java-17-openjdk-*)
# Classes that are loaded at every start, as the package's installation would have laid them out.
chroot . /usr/bin/env LD_LIBRARY_PATH="/$home/lib" "/$home/bin/java" -Xshare:dump > dump.log 2>&1 || { cat dump.log >&2; exit 1; }
"$here/../common/keep-new.sh"
mkdir -p "$ROOT/usr" "$ROOT/etc"
cp -r usr/lib "$ROOT/usr/"
cp -r etc/java-17-openjdk "$ROOT/etc/"
ln -s "/$home/bin/java" "$ROOT/var/lang/bin/java"
cp -r "$CLIENT/runtime" "$ROOT/var/"
