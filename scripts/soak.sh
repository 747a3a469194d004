#!/usr/bin/env bash
# Long fault and load runs: SOAK_MINUTES (default 10) is how long each has its load, SOAK_SEED chooses another sequence of faults.
# `soak.sh idle`, `soak.sh long`, `soak.sh local`, `soak.sh routers`, `soak.sh system` and `soak.sh cluster` run one of them; SOAK_FAULTS is a pattern of the
# faults of routers and of the system that are wanted. `soak.sh integrations` runs what our docs say of other projects' programs, which it builds (test/integrations). Goes on
# after a failure, so that one run tells all.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

soak() {
  mocha --extension ts --node-option disable-warning=ExperimentalWarning --reporter spec --forbid-only --forbid-pending --exit "$@"
}

status=0
run="${1:-all}"
case "$run" in all | idle | long | local | routers | system | cluster | integrations) ;; *)
  echo "soak: there is no run \"$run\": the runs are idle, long, local, routers, system, cluster, integrations and all" >&2
  exit 2
  ;;
esac
wants() { [ "$run" = all ] || [ "$run" = "$1" ]; }
soak test/soak/judge.test.ts || status=1
if wants idle; then soak test/soak/idle.test.ts || status=1; fi
if wants long; then soak test/soak/long-call.test.ts || status=1; fi
if wants local; then soak test/soak/local.test.ts || status=1; fi
if wants routers; then soak test/soak/routers.test.ts || status=1; fi
if wants system; then soak test/soak/system.test.ts || status=1; fi
if wants cluster; then soak --require test/e2e/hooks.ts test/soak/cluster.test.ts || status=1; fi
if wants integrations; then soak --require test/e2e/hooks.ts test/integrations/*.test.ts || status=1; fi
exit "$status"
