#!/usr/bin/env bash
# Long fault and load runs; SOAK_MINUTES (default 10) says how long each takes.
set -euo pipefail
cd "$(dirname "$0")/.."
exec npx mocha --extension ts --timeout 3600000 --reporter spec 'test/soak/**/*.test.ts'
