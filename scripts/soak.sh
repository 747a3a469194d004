#!/usr/bin/env bash
# Long fault and load runs on a real cluster.
set -euo pipefail
cd "$(dirname "$0")/.."
exec npx mocha --config test/e2e/.mocharc.json --timeout 1800000 --spec 'test/soak/**/*.test.ts'
