#!/bin/sh
# AWS's runtime interface client for Java, with what it depends on, for the Java of this machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cp "$here/pom.xml" .
mvn --batch-mode --quiet --no-transfer-progress dependency:copy-dependencies -DoutputDirectory="$OUT/runtime/lib"
mkdir -p "$OUT/lang/bin"
install -m 644 "$here/../common/exec-wrapper.sh" "$OUT/runtime/"
install -m 755 "$here/bootstrap" "$OUT/runtime/"
ln -s "$(readlink -f "$(command -v java)")" "$OUT/lang/bin/java"
