#!/bin/sh
# OS-only: the function or a layer brings the bootstrap, so /var/runtime stays empty.
set -eu
"$(dirname "$0")/../common/lambda-folders.sh" "$ROOT"
rm -r "$ROOT/var/lang"
