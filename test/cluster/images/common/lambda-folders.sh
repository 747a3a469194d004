#!/bin/sh
# lambda-folders.sh <root>: the folders and the entry script that every Lambda image has.
set -eu
mkdir -p "$1/var/task" "$1/var/runtime" "$1/var/lang/bin" "$1/var/lang/lib" "$1/opt"
install -m 755 "$(dirname "$0")/lambda-entrypoint.sh" "$1/lambda-entrypoint.sh"
