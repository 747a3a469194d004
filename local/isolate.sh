#!/bin/sh
# Runs a command with Lambda's true paths in a mount namespace of its own, which ends with it:
#   unshare --mount --pid --fork --kill-child … isolate.sh <root> <ro|rw>:<from>:<to> … -- <command> …
# <root> is an empty folder that becomes the root: the machine's own entries, but /opt, /tmp and what is bound.
set -eu
# chroot and mount may stand where only root looks.
PATH="$PATH:/usr/sbin:/sbin"
root="$1"
shift
mount --make-rprivate /
mount -t tmpfs -o mode=0755,size=1m kubelambda "$root"

# Puts an entry of the machine's root, as it is, into the new one.
share() {
  if [ -L "/$1" ]; then
    cp -P "/$1" "$root/$1"
  elif [ -d "/$1" ]; then
    mkdir "$root/$1"
    mount --rbind "/$1" "$root/$1"
  fi
}

# A file system below /mnt must not become a folder of the machine's own.
hidden=
for bind in "$@"; do
  if [ "$bind" = -- ]; then break; fi
  case "${bind##*:}" in /mnt/*) hidden=mnt ;; esac
done
for entry in /*; do
  name="${entry#/}"
  case "$name" in opt | tmp | var | proc | "*" | "$hidden") ;; *) share "$name" ;; esac
done
mkdir "$root/var" "$root/opt" "$root/tmp" "$root/proc"
for entry in /var/*; do
  name="${entry#/}"
  case "$name" in var/task | var/runtime | "var/*") ;; *) share "$name" ;; esac
done
mount -t proc proc "$root/proc"

while [ "$1" != -- ]; do
  mode="${1%%:*}" rest="${1#*:}"
  from="${rest%%:*}" to="${rest#*:}"
  mkdir -p "$root$to"
  mount --bind "$from" "$root$to"
  if [ "$mode" = ro ]; then mount -o remount,bind,ro,nosuid,nodev "$root$to"; fi
  shift
done
shift
exec chroot "$root" "$@"
