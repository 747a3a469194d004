#!/bin/sh
# The handler, and a module with a syntax error.
set -eu
install -m 644 "$(dirname "$0")/index.mjs" "$OUT/"
echo 'export const handler = async () => {{{;' > "$OUT/broken.mjs"
