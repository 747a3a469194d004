"""Starts AWS's runtime interface client, with code, layers and runtime on the path in the order of Lambda."""

import os
import sys

task_root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
runtime_root = os.environ.get("LAMBDA_RUNTIME_DIR", "/var/runtime")
version = f"python{sys.version_info.major}.{sys.version_info.minor}"
sys.path[:1] = [task_root, f"/opt/python/lib/{version}/site-packages", "/opt/python", runtime_root]

from awslambdaric.__main__ import main  # noqa: E402

main(["bootstrap", os.environ["_HANDLER"]])
