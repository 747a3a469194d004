#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cp -r "$here/pom.xml" "$here/src" .
mvn --batch-mode --quiet --no-transfer-progress compile jar:jar dependency:copy-dependencies -DoutputDirectory="$OUT/runtime/lib"
mkdir -p "$OUT/task/lib" "$OUT/lang/bin"
install -m 644 target/function.jar "$OUT/task/lib/"
install -m 644 "$here/../common/exec-wrapper.sh" "$OUT/runtime/"
install -m 755 "$here/bootstrap" "$OUT/runtime/"
ln -s "$(readlink -f "$(command -v java)")" "$OUT/lang/bin/java"
