#!/bin/sh
# In a folder with an unpacked Debian: removes what the one of images/os has too, and what no program needs.
set -eu
(cd "$OS_ROOT" && find . ! -type d) | xargs -d '\n' rm -f
rm -rf usr/lib/*/perl-base usr/lib/apt usr/lib/dpkg
find usr -type d -empty -delete
