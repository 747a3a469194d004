#!/bin/sh
# Packs handler.py and its PyPI dependency into build/function.zip, and that into build/code.yaml, a ConfigMap.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
rm -rf build/package && mkdir -p build/package
"$python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --target build/package -r requirements.txt
cp handler.py build/package/
"$python" - <<'PY'
import base64, os, zipfile

root = "build/package"
with zipfile.ZipFile("build/function.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "bin" and not name.endswith(".dist-info"))
        for name in sorted(files):
            path = os.path.join(folder, name)
            entry = zipfile.ZipInfo(os.path.relpath(path, root), (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            with open(path, "rb") as file:
                archive.writestr(entry, file.read())
with open("build/function.zip", "rb") as file:
    content = base64.b64encode(file.read()).decode()
with open("build/code.yaml", "w") as file:
    file.write("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: thumbnail-code\nbinaryData:\n  function.zip: " + content + "\n")
PY
rm -rf build/package
