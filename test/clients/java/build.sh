#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cp -r "$here/pom.xml" "$here/src" .
mvn --batch-mode --quiet --no-transfer-progress compile jar:jar
install -D -m 644 target/function.jar "$OUT/lib/function.jar"
