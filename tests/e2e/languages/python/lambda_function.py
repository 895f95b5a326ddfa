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
}
