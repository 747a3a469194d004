"""Starts AWS's runtime interface client, with code, layers and runtime on the path in the order of Lambda."""

import os
import sys

task_root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
sys.path[:1] = [task_root, "/opt/python/lib/python3.11/site-packages", "/opt/python", "/var/runtime"]

from awslambdaric.__main__ import main  # noqa: E402

main(["bootstrap", os.environ["_HANDLER"]])
