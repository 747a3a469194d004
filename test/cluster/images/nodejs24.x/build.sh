#!/bin/sh
# Node.js 24 with AWS's own runtime interface client, as test/clients builds it.
set -eu
"$(dirname "$0")/../common/lambda-folders.sh" "$ROOT"
cp -r "$CLIENT/runtime" "$ROOT/var/"
install -m 755 "$NODE" "$ROOT/var/lang/bin/node"
