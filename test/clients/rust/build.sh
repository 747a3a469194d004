#!/bin/sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cargo build --quiet --release --locked --manifest-path "$here/Cargo.toml" --target-dir "$WORK/target"
install -m 755 "$WORK/target/release/bootstrap" "$OUT/bootstrap"
