#!/usr/bin/env bash
# Everything that a change has to pass. Goes on after a failure, so that one run tells all; it ends with what failed and "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
TEST_COUNTS="$PWD/.cache/test-counts"
TEST_FAILURES="$PWD/.cache/test-failures"
export TEST_COUNTS TEST_FAILURES
: > "$TEST_COUNTS"
: > "$TEST_FAILURES"

# Runs a step that has no count of its own: it counts as one.
step() {
  local name="$1" started=$SECONDS
  shift
  echo "== $name"
  if "$@"; then echo "1 0" >> "$TEST_COUNTS"; else
    echo "failed: $name" | tee -a "$TEST_FAILURES"
    echo "0 1" >> "$TEST_COUNTS"
  fi
  echo "== $name took $((SECONDS - started)) s"
}

# Runs mocha, which counts by itself; a run that dies before it could count is a failure.
suite() {
  local name="$1" started=$SECONDS before
  shift
  echo "== $name"
  before=$(wc -l < "$TEST_COUNTS")
  if ! "$@" && [ "$(wc -l < "$TEST_COUNTS")" -eq "$before" ]; then
    echo "failed: $name, before it could count" | tee -a "$TEST_FAILURES"
    echo "0 1" >> "$TEST_COUNTS"
  fi
  echo "== $name took $((SECONDS - started)) s"
}

# Runs with temporary folders in memory where there are 8 GiB of it: the tests sync files by the thousand, and a disk takes minutes for that.
in_memory() {
  local memory=/dev/shm folder status=0
  [ -w "$memory" ] && [ "$(df --output=avail --block-size=1G "$memory" | tail -1)" -ge 8 ] || memory=/tmp
  folder=$(mktemp -d "$memory/kubelambda.XXXXXX")
  chmod 755 "$folder" # some tests run programs as another user
  TMPDIR="$folder" "$@" || status=$?
  rm -rf "$folder"
  return "$status"
}

step "types, lint, format, import rules, generated files" npm run --silent check
step "supervisor: go vet and go test" bash -c 'cd runtime-proxy/supervisor && go vet ./... && go test ./...'
step "runtime clients" node test/clients/build.ts
step "extensions and layers" node test/extensions/build.ts
suite "unit and contract tests" in_memory npx mocha --config test/.mocharc.json --reporter test/kit/counting-reporter.cjs
step "cluster components and runtime images" node test/cluster/main.ts build
suite "end to end on a real cluster" npx mocha --config test/e2e/.mocharc.json --reporter test/kit/counting-reporter.cjs

node test/cluster/main.ts down

read -r passed failed < <(awk '{p += $1; f += $2} END {print p + 0, f + 0}' "$TEST_COUNTS")
echo
cat "$TEST_FAILURES"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
