#!/bin/sh
# Node.js 24 with AWS's own runtime interface client, its native addon compiled here from the sources in its package.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/../common/lambda-folders.sh" "$ROOT"
cd "$WORK"
cp "$here/package.json" "$here/package-lock.json" .
npm ci --ignore-scripts --no-audit --loglevel=error
ric=$WORK/node_modules/aws-lambda-ric
sh "$ric/scripts/preinstall.sh"
artifacts=$ric/deps/artifacts
g++ -std=c++17 -shared -fPIC -O3 -flto -fvisibility=hidden -Wl,--gc-sections -DNAPI_CPP_EXCEPTIONS -DNODE_GYP_MODULE_NAME=rapid_client \
  -I"$here/headers" -Inode_modules/node-api-headers/include -Inode_modules/node-addon-api -I"$artifacts/include" \
  "$ric/src/native/rapid-client.cc" "$artifacts/lib/libaws-lambda-runtime.a" "$artifacts/lib/libcurl.a" \
  -pthread -static-libstdc++ -static-libgcc -o rapid-client.node
AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001 "$NODE" -e 'const { next, done, error } = require("./rapid-client.node"); if (!next || !done || !error) process.exit(1)'
runtime=$ROOT/var/runtime
install -m 755 "$NODE" "$ROOT/var/lang/bin/node"
install -m 644 "$ric/index.mjs" rapid-client.node "$runtime/"
mkdir -p "$runtime/node_modules/@aws"
cp -r node_modules/@aws/lambda-invoke-store "$runtime/node_modules/@aws/"
install -m 644 "$here/../common/exec-wrapper.sh" "$runtime/"
install -m 755 "$here/bootstrap" "$runtime/bootstrap"
