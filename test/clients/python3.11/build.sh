#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
sh "$here/../awslambdaric/install.sh" 3.11 bookworm "$here"
