#!/bin/sh
# The base of kubelambda's own image: Debian and Node.js, with the user that the official image has.
set -eu
mkdir -p "$ROOT/usr/local/bin" "$ROOT/etc" "$ROOT/home/node"
install -m 755 "$NODE" "$ROOT/usr/local/bin/node"
cp "$OS_ROOT/etc/passwd" "$OS_ROOT/etc/group" "$ROOT/etc/"
echo "node:x:1000:1000::/home/node:/bin/bash" >> "$ROOT/etc/passwd"
echo "node:x:1000:" >> "$ROOT/etc/group"
