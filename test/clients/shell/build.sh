#!/bin/sh
set -eu
install -m 755 "$(dirname "$0")/bootstrap" "$OUT/bootstrap"
