#!/bin/sh
# Node.js 22 with AWS's own runtime interface client, an older one, as test/clients builds both.
set -eu
"$(dirname "$0")/../common/lambda-folders.sh" "$ROOT"
cp -r "$CLIENT/runtime" "$CLIENT/lang" "$ROOT/var/"
