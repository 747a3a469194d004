# install.sh <version> <Debian release that has it> <folder of the client>: its awslambdaric as a wheel, on Debian's Python.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=$1
mkdir -p "$OUT/runtime" "$OUT/lang"
abi=cp$(echo "$version" | tr -d .)
machine=$(uname -m)
python3 -m pip install --quiet --no-compile --require-hashes --requirement "$3/requirements.txt" --target "$OUT/runtime" --only-binary :all: \
  --python-version "$version" --implementation cp --abi "$abi" --platform "manylinux2014_$machine" --platform "manylinux_2_17_$machine"
install -m 644 "$here/bootstrap.py" "$here/../common/exec-wrapper.sh" "$OUT/runtime/"
install -m 755 "$3/bootstrap" "$OUT/runtime/bootstrap"
"$here/../common/unpack-debian.sh" "$OUT/lang/debian" "libc-bin,python$version" "$2"
# This Python brings its own C library, since the machine's may be older.
mkdir "$OUT/lang/bin"
cat > "$OUT/lang/bin/python$version" <<'SCRIPT'
#!/bin/sh
root=${0%/bin/*}/debian
set -- --argv0 "$root/usr/bin/${0##*/}" "$root/usr/bin/${0##*/}" "$@"
for linker in "$root"/lib64/ld-linux-*.so.* "$root"/lib/ld-linux-*.so.*; do
  [ -x "$linker" ] && exec "$linker" --library-path "$root/usr/lib/$(uname -m)-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$@"
done
SCRIPT
chmod 755 "$OUT/lang/bin/python$version"
