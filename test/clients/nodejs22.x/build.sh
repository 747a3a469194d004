#!/bin/sh
# AWS's aws-lambda-ric 3 on Node.js 22, its native addon compiled here from the sources in its package.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cp "$here/package.json" "$here/package-lock.json" .
npm ci --ignore-scripts --no-audit --loglevel=error
ric=$WORK/node_modules/aws-lambda-ric
node=$(ls -d node_modules/node-linux-*/bin/node)
NODE=$WORK/$node sh "$here/../node-addon/build-addon.sh" "$ric" "$ric/src/rapid-client.cc"
package=$OUT/runtime/node_modules/aws-lambda-ric
mkdir -p "$package" "$OUT/lang/bin"
cp -r "$ric/bin" "$ric/dist" "$ric/package.json" "$package/"
install -m 644 rapid-client.node "$package/dist/"
install -m 644 "$here/../common/exec-wrapper.sh" "$OUT/runtime/"
install -m 755 "$here/bootstrap" "$OUT/runtime/"
install -m 755 "$node" "$OUT/lang/bin/node"
