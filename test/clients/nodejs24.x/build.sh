#!/bin/sh
# AWS's aws-lambda-ric 4 on Node.js 24, its native addon compiled here from the sources in its package.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cp "$here/package.json" "$here/package-lock.json" .
npm ci --ignore-scripts --no-audit --loglevel=error
ric=$WORK/node_modules/aws-lambda-ric
sh "$here/../node-addon/build-addon.sh" "$ric" "$ric/src/native/rapid-client.cc"
mkdir -p "$OUT/runtime/node_modules/@aws" "$OUT/lang/bin"
install -m 644 "$ric/index.mjs" rapid-client.node "$here/../common/exec-wrapper.sh" "$OUT/runtime/"
install -m 755 "$here/bootstrap" "$OUT/runtime/"
cp -r node_modules/@aws/lambda-invoke-store "$OUT/runtime/node_modules/@aws/"
ln -s "$NODE" "$OUT/lang/bin/node"
