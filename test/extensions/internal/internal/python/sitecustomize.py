"""An internal extension in a thread of the runtime's process: registers before the function is loaded, then prints its events."""
import os
import sys
import threading
import urllib.request

NAME = "python-internal"
API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/"


def say(*words):
    # In one write: the runtime client's output is not buffered, and others write to it too.
    sys.stdout.write(" ".join(map(str, (NAME, *words))) + "\n")
    sys.stdout.flush()


def call(method, path, headers, body=None):
    request = urllib.request.Request(API + path, data=body, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=None) as response:
        return response.status, response.headers, response.read().decode()


def serve(identifier):
    while True:
        _, _, event = call("GET", "event/next", {"Lambda-Extension-Identifier": identifier})
        say("event", event)


# Only the runtime itself: a child of the function would register a second time.
if os.environ.pop("PYTHON_INTERNAL", None) is None:
    os.environ["PYTHON_INTERNAL"] = "1"
    status, headers, body = call("POST", "register", {"Lambda-Extension-Name": NAME}, b'{"events":["INVOKE"]}')
    say("registered", status, body.strip())
    threading.Thread(target=serve, args=(headers["Lambda-Extension-Identifier"],), daemon=True).start()
