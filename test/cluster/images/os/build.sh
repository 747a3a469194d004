#!/bin/sh
# Fills $ROOT with a small Debian: unpacked packages, and by hand the little that their installation would have done.
set -eu
"$(dirname "$0")/../../../clients/common/unpack-debian.sh" "$ROOT" bash,dash,coreutils,findutils,grep,sed,mawk,tar,gzip,hostname,curl,ca-certificates,tzdata,libc-bin,libstdc++6,netbase
cd "$ROOT"
rm -rf boot dev/* run/* var/cache/* var/log/* var/lib/apt var/lib/dpkg usr/share/doc usr/share/man usr/share/info usr/share/lintian \
  usr/share/bug usr/share/gcc usr/share/gdb usr/share/locale usr/lib/x86_64-linux-gnu/perl-base
cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
echo "sbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin" >> etc/passwd
ln -sf mawk usr/bin/awk
ln -sf /usr/share/zoneinfo/UTC etc/localtime
cat usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt
mkdir -p usr/lib/ssl
ln -sf /etc/ssl/certs/ca-certificates.crt usr/lib/ssl/cert.pem
# The locale that AWS's images name: UTF-8, which C.utf8 is too, without the 3 MB of the real one's collation.
ln -sf C.utf8 usr/lib/locale/en_US.utf8
