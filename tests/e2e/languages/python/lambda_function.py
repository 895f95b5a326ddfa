"""What a function may do, by the path of the request; `tests/e2e/languages.rs` says what each leads to."""

import base64
import logging
import os
import random
import sys
import urllib.request

calls = 0
at_init = random.random()
print("printed in INIT")


def lambda_handler(event, context):
    global calls
    calls += 1
    return BEHAVIORS[event["rawPath"].removeprefix("/")](event, context)


def about(_, context):
    return {
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "group": context.log_group_name,
        "stream": context.log_stream_name,
        "in time": 0 < context.get_remaining_time_in_millis() <= 20_000,
    }


def log(_, context):
    print("printed")
    print("complained", file=sys.stderr)
    logging.getLogger().warning("warned of %d apples", 3)
    print("without an end", end="")
    return context.aws_request_id


def late(*_):
    import asyncio

    import later

    async def answer():
        await asyncio.sleep(0.001)
        return later.ANSWER

    return asyncio.run(answer())


def fetch(event, _):
    parameters = event["queryStringParameters"]
    request = urllib.request.Request(parameters["to"], data=b"x" * int(parameters["bytes"]), headers={"x-test": "1"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return {"status": response.status, "server": response.headers["x-server"], "body": response.read().decode()}
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def fail(*_):
    raise ValueError("no apples left")


def loop(*_):
    while True:
        pass


def grow(*_):
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def tmp(*_):
    import tempfile

    before = sorted(os.listdir("/tmp"))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a")
        with open(path, "w") as file:
            file.write("né")
        os.rename(path, path + "2")
        with open(path + "2") as file:
            text = file.read()
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"12")
        file.seek(1)
        text += file.read().decode()
    with open("/tmp/kept", "a") as file:
        file.write("x")
    after = sorted(os.listdir("/tmp"))
    return {"where": tempfile.gettempdir(), "text": text, "before": before, "after": after, "size": os.stat("/tmp/kept").st_size}


def fill(*_):
    import errno

    try:
        with open("/tmp/large", "wb") as file:
            for _ in range(100):
                file.write(bytes(1 << 20))
    except OSError as error:
        return [type(error).__name__, error.errno == errno.ENOSPC, error.strerror, os.stat("/tmp/large").st_size]
    finally:
        os.remove("/tmp/large")


def large(*_):
    chunk = os.urandom(1 << 20)
    with open("/tmp/large", "wb") as file:
        for _ in range(20):
            file.write(chunk)
    with open("/tmp/large", "rb") as file:
        same = all(file.read(1 << 20) == chunk for _ in range(20))
        return [same, file.read() == b""]


BEHAVIORS = {
    "echo": lambda event, _: {"statusCode": 201, "headers": {"x-function": "echo"}, "body": event["body"]},
    "json": lambda *_: {"text": "né \U0001f600", "list": [1, 2.5, True, None]},
    "nothing": lambda *_: None,
    "text": lambda *_: "né",
    "binary": lambda *_: {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\xff\x00\xfe").decode()},
    "big": lambda *_: "x" * 100_000,
    "count": lambda *_: calls,
    "env": lambda *_: os.environ.get("TABLE"),
    "environment": lambda *_: sorted(name for name in os.environ if not name.startswith(("AWS_", "_X_AMZN_", "LAMBDA_"))),
    "file": lambda *_: open("data.txt").read(),
    "random": lambda *_: {"init": at_init, "call": [random.random(), os.urandom(8).hex()]},
    "about": about,
    "log": log,
    "late": late,
    "fetch": fetch,
    "fail": fail,
    "nonsense": lambda *_: {1, 2},
    "exit": lambda *_: sys.exit(3),
    "abort": lambda *_: os.abort(),
    "loop": loop,
    "grow": grow,
    "tmp": tmp,
    "fill": fill,
    "large": large,
    "init": lambda *_: open("/tmp/init").read(),
}

with open("/tmp/init", "w") as file:
    file.write("written in INIT")
