"""Environments: what they begin with, what stays in them, and what a failure takes away."""

import base64
import json

from aws import aws, create, has, matches, python, same, step, updated

SOURCE = """
import os, sys, time, uuid

LOADED = str(uuid.uuid4())
calls = 0

def lambda_handler(event, context):
    global calls
    calls += 1
    what = event.get("do")
    if what in ("sleep", "exit"):
        with open("/tmp/left", "w") as file:
            file.write(event["text"])
    if what == "sleep":
        time.sleep(20)
    if what == "exit":
        os._exit(3)
    left = open("/tmp/left").read() if os.path.exists("/tmp/left") else None
    return {"loaded": LOADED, "calls": calls, "left": left}
"""


def invoke(name, **event):
    return aws.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")


def value(answer):
    payload = answer["Payload"].read()
    assert "FunctionError" not in answer, payload
    return json.loads(payload)


def log(answer):
    return base64.b64decode(answer["LogResult"]).decode()


def error(answer):
    has(answer, StatusCode=200, FunctionError="Unhandled")
    return json.loads(answer["Payload"].read())


def snap_start(name):
    return aws.get_function_configuration(FunctionName=name)["SnapStart"]


with step("an_environment_is_used_again"):
    create("kept", python(SOURCE), Timeout=1)
    first = invoke("kept")
    assert "Init Duration" in log(first), log(first)
    first, second = value(first), invoke("kept")
    assert "Init Duration" not in log(second), log(second)
    second = value(second)
    same([first["calls"], second["calls"], second["loaded"]], [1, 2, first["loaded"]])

with step("tmp_survives_a_timeout"):
    same(error(invoke("kept", do="sleep", text="slept"))["errorType"], "Sandbox.Timedout")
    same(value(invoke("kept")), {"loaded": first["loaded"], "calls": 1, "left": "slept"})
    same(value(invoke("kept"))["left"], "slept")

with step("tmp_survives_an_exit"):
    same(error(invoke("kept", do="exit", text="gone"))["errorType"], "Runtime.ExitError")
    same(value(invoke("kept")), {"loaded": first["loaded"], "calls": 1, "left": "gone"})

with step("another_function_has_another_tmp"):
    create("other", python(SOURCE), Timeout=1)
    same(value(invoke("other"))["left"], None)

with step("a_snapshot_is_the_default"):
    same(snap_start("kept"), {"ApplyOn": "None", "OptimizationStatus": "On"})

with step("without_snapshot_each_environment_is_initialised"):
    aws.update_function_configuration(FunctionName="kept", SnapStart={"ApplyOn": "None"})
    updated("kept")
    same(snap_start("kept"), {"ApplyOn": "None", "OptimizationStatus": "Off"})
    answer = invoke("kept")
    assert "Init Duration" in log(answer), log(answer)
    plain = value(answer)
    same([plain["calls"], plain["left"]], [1, None])
    same(value(invoke("kept")), {**plain, "calls": 2})
    same(error(invoke("kept", do="sleep", text="again"))["errorType"], "Sandbox.Timedout")
    after = value(invoke("kept"))
    same([after["calls"], after["left"]], [1, "again"])
    assert after["loaded"] != plain["loaded"], "INIT was not run again"

with step("without_snapshot_init_is_tried_again_by_the_first_call"):
    create("second", python("""
import os
if not os.path.exists("/tmp/tried"):
    open("/tmp/tried", "w").close()
    raise RuntimeError("not yet")

def lambda_handler(event, context):
    return "at last"
"""), SnapStart={"ApplyOn": "None"})  # fmt: skip
    same(value(invoke("second")), "at last")

with step("without_snapshot_an_init_that_fails_is_the_error_of_each_call"):
    create("never", python('print("loading")\nraise RuntimeError("no apples")\n'), SnapStart={"ApplyOn": "None"})
    for _ in range(2):
        answer = invoke("never")
        has(error(answer), errorType="RuntimeError", errorMessage="no apples")
        same(log(answer).count("loading"), 2, "attempts")
        assert log(answer).rindex("loading") < log(answer).index("START RequestId"), log(answer)
    aws.update_function_code(FunctionName="never", ZipFile=python("def lambda_handler(event, context):\n    return 1\n"))
    updated("never")
    same(value(invoke("never")), 1)

with step("without_snapshot_an_init_without_end_is_a_timeout"):
    create("endless", python("while True:\n    pass\n"), SnapStart={"ApplyOn": "None"}, Timeout=1)
    answer = error(invoke("endless"))
    same(answer["errorType"], "Sandbox.Timedout")
    matches(r"RequestId: .* Error: Task timed out after 1\.00 seconds", answer["errorMessage"])

with step("published_versions_ask_for_a_snapshot"):
    aws.update_function_configuration(FunctionName="kept", SnapStart={"ApplyOn": "PublishedVersions"})
    updated("kept")
    version = aws.publish_version(FunctionName="kept")["Version"]
    told = aws.get_function_configuration(FunctionName="kept", Qualifier=version)["SnapStart"]
    same(told, {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"})
    same(value(invoke(f"kept:{version}"))["calls"], 1)

with step("nothing_said_is_a_snapshot_again"):
    aws.update_function_configuration(FunctionName="kept", SnapStart={})
    updated("kept")
    same(snap_start("kept"), {"ApplyOn": "None", "OptimizationStatus": "On"})
