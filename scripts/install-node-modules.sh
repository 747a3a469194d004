#!/usr/bin/env bash
# Installs the npm packages, among them the Node that the product is for.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v npm >/dev/null; then
  echo "npm is missing: install Node.js 20 or newer with npm (Debian and Ubuntu: apt-get install nodejs npm), then run make again" >&2
  exit 1
fi
echo "Installing npm packages (once) …"
npm ci --no-audit --no-fund --loglevel=error
if ! node_modules/.bin/node -e 'process.exit(parseInt(process.versions.node) >= 24 ? 0 : 1)'; then
  echo "node_modules/.bin/node is not Node 24: the npm package \"node\" has no build for $(uname -sm); install Node 24 and link it there" >&2
  exit 1
fi
