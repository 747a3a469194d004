#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sh "$here/../python/build.sh" 3.11 bookworm "$here"
