#!/usr/bin/env bash
# Long fault and load runs: SOAK_MINUTES (default 10) is how long each has its load, SOAK_SEED chooses another sequence of faults.
# `soak.sh local` and `soak.sh cluster` run one of them. Goes on after a failure, so that one run tells all.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

soak() {
  mocha --extension ts --node-option disable-warning=ExperimentalWarning --reporter spec --forbid-only --forbid-pending --exit "$@"
}

status=0
case "${1:-all}" in all | local | cluster) ;; *)
  echo "soak: there is no run \"$1\": the runs are local, cluster and all" >&2
  exit 2
  ;;
esac
soak test/soak/judge.test.ts || status=1
[ "${1:-all}" = cluster ] || soak test/soak/local.test.ts || status=1
[ "${1:-all}" = local ] || soak --require test/e2e/hooks.ts test/soak/cluster.test.ts || status=1
exit "$status"
