#!/bin/sh
# unpack-debian.sh <folder> <packages with commas> [<release>]: unpacks them with what they depend on; runs no installation script.
set -eu
mmdebstrap --quiet --variant=extract --mode=root --format=directory \
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include="base-files,base-passwd,$2" "${3-bookworm}" "$1"
