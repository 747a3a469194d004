# install-task.sh <task folder>: the handler, and a module with a syntax error.
set -eu
install -m 644 "$(dirname "$0")/index.mjs" "$1/"
echo 'export const handler = async () => {{{;' > "$1/broken.mjs"
