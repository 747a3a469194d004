#!/usr/bin/env bash
# Makes this machine ready for `make test`: on Debian and Ubuntu as root it installs what is missing of scripts/apt-packages.txt,
# elsewhere it says exactly what is missing. Needs Go 1.26 and Rust 1.85 or newer.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "setup: $1" >&2
  exit 1
}

missing_packages() {
  # A compiler or Python of another origin serves as well as Debian's own.
  local package
  while read -r package; do
    case "$package" in
      "" | "#"*) continue ;;
      g++ | make | cmake | curl | unzip | zip | python3 | openssl | autoconf | automake) command -v "$package" > /dev/null && continue ;;
      libtool) command -v libtoolize > /dev/null && continue ;;
      maven) command -v mvn > /dev/null && continue ;;
      default-jdk-headless) command -v javac > /dev/null && continue ;;
      python3-pip) python3 -m pip --version > /dev/null 2>&1 && continue ;;
    esac
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || echo "$package"
  done < scripts/apt-packages.txt
}

# Names a program of each package, for machines without dpkg.
missing_programs() {
  local program
  for program in containerd runc etcd etcdctl docker-registry iptables ipset conntrack ip socat openssl flock setpriv mmdebstrap \
    buildah skopeo g++ make cmake autoconf automake libtoolize xz python3 javac mvn jar unzip zip bsdtar 7z curl; do
    command -v "$program" > /dev/null || echo "$program"
  done
  [ -x /usr/lib/cni/bridge ] || echo "/usr/lib/cni/bridge (CNI plugins)"
}

install_packages() {
  local log
  log=$(mktemp)
  echo "setup: installing $*"
  # The packages' own daemons stay down: the test cluster runs its own, with its own sockets and ports.
  local policy=/usr/sbin/policy-rc.d ours=no
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    ours=yes
  fi
  local status=0
  {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "$@"
  } > "$log" 2>&1 || status=$?
  if [ "$ours" = yes ]; then rm -f "$policy"; fi
  if [ "$status" -ne 0 ]; then
    tail -n 20 "$log" >&2
    fail "apt-get ended with status $status; its whole output is in $log"
  fi
  rm -f "$log"
}

check_go() {
  command -v go > /dev/null || fail "Go is not on PATH: install Go 1.26 or newer (https://go.dev/dl/)"
  local version
  version=$(GOTOOLCHAIN=local go env GOVERSION)
  [[ "$version" =~ ^go([0-9]+)\.([0-9]+) ]] || fail "cannot read the version of Go from \"$version\""
  ((BASH_REMATCH[1] > 1 || BASH_REMATCH[2] >= 26)) || fail "Go is $version: 1.26 or newer is needed (https://go.dev/dl/)"
}

# Debian's own is too old up to release 12.
check_cargo() {
  command -v cargo > /dev/null || fail "cargo is not on PATH: install Rust 1.85 or newer (https://rustup.rs)"
  local version
  version=$(cargo --version)
  [[ "$version" =~ ^cargo\ ([0-9]+)\.([0-9]+) ]] || fail "cannot read the version of cargo from \"$version\""
  ((BASH_REMATCH[1] > 1 || BASH_REMATCH[2] >= 85)) || fail "$version: 1.85 or newer is needed (https://rustup.rs)"
}

check_go
check_cargo
if command -v dpkg-query > /dev/null; then
  mapfile -t missing < <(missing_packages)
  if [ "${#missing[@]}" -gt 0 ]; then
    [ "$(id -u)" -eq 0 ] || fail "missing packages; run as root: apt-get install ${missing[*]}"
    install_packages "${missing[@]}"
  fi
else
  mapfile -t missing < <(missing_programs)
  [ "${#missing[@]}" -eq 0 ] || fail "this is neither Debian nor Ubuntu; install what has these programs: ${missing[*]}"
fi
