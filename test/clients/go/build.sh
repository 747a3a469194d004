#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -tags lambda.norpc -o "$OUT/bootstrap" .
