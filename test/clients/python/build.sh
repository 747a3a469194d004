#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
install -m 644 "$here/main.py" "$here/broken.py" "$OUT/"
