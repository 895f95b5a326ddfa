"""A function's life: created, invoked, changed, listed, deleted."""

import base64
import hashlib
import json
import re
import urllib.request

from aws import (
    ACCOUNT, DATE, ROLE, UUID, WAIT, active, arn, aws, client, create, has, matches, missing, python, refused, request, same,
    status_of, step, updated, zipped,
)  # fmt: skip

SOURCE = """
import os, time

def lambda_handler(event, context):
    what = event.get("do") if isinstance(event, dict) else None
    if what == "context":
        return {
            "request": context.aws_request_id, "name": context.function_name, "version": context.function_version,
            "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb, "group": context.log_group_name,
            "stream": context.log_stream_name, "remaining": context.get_remaining_time_in_millis(),
            "custom": context.client_context.custom if context.client_context else None,
        }
    if what == "environment":
        return {name: os.environ.get(name) for name in event["names"]}
    if what == "say":
        print(event["text"])
    if what == "fail":
        raise ValueError("no apples left")
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "nothing":
        return None
    return {"event": event}
"""
CODE = python(SOURCE)
ANOTHER = python('def lambda_handler(event, context):\n    return "another"\n')


def sha(code):
    return base64.b64encode(hashlib.sha256(code).digest()).decode()


def invoke(payload, name="greeter", **more):
    return aws.invoke(FunctionName=name, Payload=json.dumps(payload), **more)


def value(answer):
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(answer["Payload"].read())


with step("no_functions"):
    same(aws.list_functions()["Functions"], [])

with step("create"):
    made = aws.create_function(**request("greeter", CODE, Timeout=10))
    same(status_of(made), 201)
    has(
        made, FunctionName="greeter", FunctionArn=arn("greeter"), Runtime="python3.14", Role=ROLE,
        Handler="lambda_function.lambda_handler", CodeSize=len(CODE), CodeSha256=sha(CODE), Description="", Timeout=10,
        MemorySize=128, Version="$LATEST", TracingConfig={"Mode": "PassThrough"}, PackageType="Zip",
        Architectures=["x86_64"], EphemeralStorage={"Size": 512}, SnapStart={"ApplyOn": "None", "OptimizationStatus": "On"},
        LoggingConfig={"LogFormat": "Text", "LogGroup": "/aws/lambda/greeter"}, State="Pending",
        StateReason="The function is being created.", StateReasonCode="Creating",
    )  # fmt: skip
    matches(DATE, made["LastModified"])
    matches(UUID, made["RevisionId"])
    matches(UUID, made["ResponseMetadata"]["RequestId"])
    assert made["RuntimeVersionConfig"]["RuntimeVersionArn"].startswith("arn:aws:lambda:us-east-1::runtime:"), made
    for absent in ["Environment", "Layers", "VpcConfig", "DeadLetterConfig", "LastUpdateStatus"]:
        assert absent not in made, f"{absent} in {made}"

with step("active"):
    active("greeter")
    got = aws.get_function(FunctionName="greeter")
    same(status_of(got), 200)
    has(got["Configuration"], State="Active", LastUpdateStatus="Successful", CodeSha256=sha(CODE), FunctionArn=arn("greeter"))
    assert "StateReason" not in got["Configuration"], got
    same(got["Code"]["RepositoryType"], "S3")
    for absent in ["Tags", "Concurrency"]:
        assert absent not in got, f"{absent} in {got}"

with step("configuration"):
    configuration = aws.get_function_configuration(FunctionName="greeter")
    same({**configuration, "ResponseMetadata": None}, {**got["Configuration"], "ResponseMetadata": None})

with step("code_is_downloaded"):
    with urllib.request.urlopen(aws.get_function(FunctionName="greeter")["Code"]["Location"], timeout=60) as answer:
        same(answer.read() == CODE, True, "the zip as it was uploaded")

with step("names"):
    for name in ["greeter", f"{ACCOUNT}:function:greeter", "function:greeter", arn("greeter")]:
        same(aws.get_function_configuration(FunctionName=name)["FunctionArn"], arn("greeter"))
    for name in ["greeter:$LATEST", arn("greeter", "$LATEST")]:
        same(aws.get_function_configuration(FunctionName=name)["FunctionArn"], arn("greeter", "$LATEST"))

with step("invoke"):
    answer = invoke({"name": "Ada", "n": [1, 2.5, None, True, "ü"]})
    has(answer, StatusCode=200, ExecutedVersion="$LATEST")
    assert "LogResult" not in answer, answer
    same(value(answer), {"event": {"name": "Ada", "n": [1, 2.5, None, True, "ü"]}})

with step("invoke_without_a_payload"):
    same(value(aws.invoke(FunctionName="greeter")), {"event": {}})

with step("invoke_that_returns_nothing"):
    same(invoke({"do": "nothing"})["Payload"].read(), b"null")

with step("context"):
    answer = invoke({"do": "context"})
    told = value(answer)
    same(told["request"], answer["ResponseMetadata"]["RequestId"], "the request id")
    matches(UUID, told["request"])
    has(told, name="greeter", version="$LATEST", arn=arn("greeter"), memory="128", group="/aws/lambda/greeter", custom=None)
    matches(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", told["stream"])
    assert 0 < told["remaining"] <= 10_000, told
    assert value(invoke({"do": "context"}))["request"] != told["request"]

with step("client_context"):
    told = base64.b64encode(json.dumps({"custom": {"a": "1"}, "client": {}, "env": {}}).encode()).decode()
    same(value(invoke({"do": "context"}, ClientContext=told))["custom"], {"a": "1"})

with step("environment_of_lambda"):
    names = ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
             "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "_HANDLER",
             "LAMBDA_TASK_ROOT", "TZ"]  # fmt: skip
    same(value(invoke({"do": "environment", "names": names})), {
        "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_NAME": "greeter",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/greeter",
        "_HANDLER": "lambda_function.lambda_handler", "LAMBDA_TASK_ROOT": "/var/task", "TZ": ":UTC",
    })  # fmt: skip

with step("dry_run"):
    answer = invoke({}, InvocationType="DryRun")
    same(answer["StatusCode"], 204)
    same(answer["Payload"].read(), b"")
    for absent in ["ExecutedVersion", "FunctionError"]:
        assert absent not in answer, f"{absent} in {answer}"
    with missing(f"Function not found: {arn('nobody')}"):
        aws.invoke(FunctionName="nobody", InvocationType="DryRun")

with step("log_tail"):
    answer = invoke({"do": "say", "text": "hello from inside"}, LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    request_id = answer["ResponseMetadata"]["RequestId"]
    lines = log.splitlines()
    same(lines[0], f"START RequestId: {request_id} Version: $LATEST")
    assert "hello from inside" in lines, log
    same(lines[-2], f"END RequestId: {request_id}")
    report = re.fullmatch(
        rf"REPORT RequestId: {request_id}\tDuration: (\d+\.\d\d) ms\tBilled Duration: (\d+) ms\t"
        r"Memory Size: 128 MB\tMax Memory Used: (\d+) MB\t(Init Duration: \d+\.\d\d ms\t)?",
        lines[-1],
    )
    assert report, lines[-1]
    assert float(report[1]) <= int(report[2]) < float(report[1]) + 1.01 or report[4], lines[-1]

with step("log_tail_ends_the_log"):
    answer = invoke({"do": "say", "text": "x" * 10_000}, LogType="Tail")
    log = base64.b64decode(answer["LogResult"])
    same(len(log), 4096)
    assert b"START" not in log and log.rstrip(b"\n").splitlines()[-1].startswith(b"REPORT RequestId: "), log

with step("an_environment_is_used_again_whichever_connection_a_call_comes_by"):
    create("counter", python("n = 0\ndef lambda_handler(event, context):\n    global n\n    n += 1\n    return n\n"))
    same([value(client().invoke(FunctionName="counter")) for _ in range(8)], [1, 2, 3, 4, 5, 6, 7, 8])
    aws.delete_function(FunctionName="counter")

with step("function_error"):
    answer = invoke({"do": "fail"}, LogType="Tail")
    has(answer, StatusCode=200, FunctionError="Unhandled", ExecutedVersion="$LATEST")
    error = json.loads(answer["Payload"].read())
    has(error, errorMessage="no apples left", errorType="ValueError", requestId=answer["ResponseMetadata"]["RequestId"])
    assert any("lambda_function.py" in line for line in error["stackTrace"]), error
    assert "[ERROR] ValueError: no apples left" in base64.b64decode(answer["LogResult"]).decode()

with step("payload_that_is_no_json"):
    with refused("InvalidRequestContentException", 400, "Could not parse request body into json: Could not parse payload into json: "):
        aws.invoke(FunctionName="greeter", Payload=b"{apples}")

with step("change_of_configuration"):
    before = aws.get_function_configuration(FunctionName="greeter")
    changed = aws.update_function_configuration(
        FunctionName="greeter", Description="says hello", Timeout=1, MemorySize=256,
        Environment={"Variables": {"FRUIT": "apple", "EMPTY": ""}},
    )  # fmt: skip
    same(status_of(changed), 200)
    has(
        changed, Description="says hello", Timeout=1, MemorySize=256, Environment={"Variables": {"FRUIT": "apple", "EMPTY": ""}},
        State="Active", LastUpdateStatus="InProgress", LastUpdateStatusReason="The function is being created.",
        LastUpdateStatusReasonCode="Creating", CodeSha256=before["CodeSha256"], Handler=before["Handler"],
    )  # fmt: skip
    assert changed["RevisionId"] != before["RevisionId"]
    updated("greeter")
    after = aws.get_function_configuration(FunctionName="greeter")
    has(after, LastUpdateStatus="Successful", MemorySize=256)
    assert "LastUpdateStatusReason" not in after, after
    same(value(invoke({"do": "environment", "names": ["FRUIT", "EMPTY", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]})),
         {"FRUIT": "apple", "EMPTY": "", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"})  # fmt: skip

with step("environment_is_replaced_as_a_whole"):
    aws.update_function_configuration(FunctionName="greeter", Environment={"Variables": {"OTHER": "pear"}})
    updated("greeter")
    same(value(invoke({"do": "environment", "names": ["FRUIT", "OTHER"]})), {"FRUIT": None, "OTHER": "pear"})
    aws.update_function_configuration(FunctionName="greeter", Environment={"Variables": {}})
    updated("greeter")
    same(aws.get_function_configuration(FunctionName="greeter")["Environment"], {"Variables": {}})

with step("timeout"):
    answer = invoke({"do": "sleep", "seconds": 20}, LogType="Tail")
    has(answer, StatusCode=200, FunctionError="Unhandled")
    error = json.loads(answer["Payload"].read())
    request_id = answer["ResponseMetadata"]["RequestId"]
    has(error, errorType="Sandbox.Timedout", errorMessage=f"RequestId: {request_id} Error: Task timed out after 1.00 seconds")
    assert "Status: timeout" in base64.b64decode(answer["LogResult"]).decode()
    same(value(invoke({"still": "there"})), {"event": {"still": "there"}})

with step("change_of_code_as_a_dry_run"):
    dry = aws.update_function_code(FunctionName="greeter", ZipFile=ANOTHER, DryRun=True)
    same(dry["CodeSha256"], sha(ANOTHER))
    same(aws.get_function_configuration(FunctionName="greeter")["CodeSha256"], sha(CODE))

with step("change_of_code"):
    before = aws.get_function_configuration(FunctionName="greeter")
    changed = aws.update_function_code(FunctionName="greeter", ZipFile=ANOTHER, RevisionId=before["RevisionId"])
    has(changed, CodeSha256=sha(ANOTHER), CodeSize=len(ANOTHER), LastUpdateStatus="InProgress", Version="$LATEST",
        FunctionArn=arn("greeter"), MemorySize=256)  # fmt: skip
    assert changed["RevisionId"] != before["RevisionId"]
    updated("greeter")
    same(value(invoke({})), "another")

with step("the_same_code_again"):
    same(aws.update_function_code(FunctionName="greeter", ZipFile=ANOTHER)["CodeSha256"], sha(ANOTHER))
    updated("greeter")
    same(value(invoke({})), "another")

with step("javascript"):
    source = 'export const handler = async (event, context) => ({ sum: event.a + event.b, name: context.functionName });\n'
    aws.create_function(**request("adder", zipped({"index.mjs": source}), Runtime="nodejs24.x", Handler="index.handler"))
    active("adder")
    same(value(invoke({"a": 2, "b": 3}, name="adder")), {"sum": 5, "name": "adder"})

with step("javascript_error"):
    source = 'exports.handler = async () => { throw new RangeError("no apples left"); };\n'
    aws.update_function_code(FunctionName="adder", ZipFile=zipped({"index.js": source}))
    updated("adder")
    answer = invoke({}, name="adder")
    same(answer["FunctionError"], "Unhandled")
    error = json.loads(answer["Payload"].read())
    has(error, errorType="RangeError", errorMessage="no apples left")
    same(error["trace"][0], "RangeError: no apples left")

with step("published_at_once"):
    made = aws.create_function(**request("published", ANOTHER, Publish=True))
    has(made, Version="1", FunctionArn=arn("published", "1"))
    aws.get_waiter("published_version_active").wait(FunctionName="published", Qualifier="1", WaiterConfig=WAIT)
    answer = invoke({}, name="published:1")
    same((value(answer), answer["ExecutedVersion"]), ("another", "1"))

with step("list"):
    pages = list(aws.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1}))
    listed = [function["FunctionName"] for page in pages for function in page["Functions"]]
    same(sorted(listed), ["adder", "greeter", "published"])
    assert all(len(page["Functions"]) <= 1 for page in pages), pages
    first = aws.list_functions(MaxItems=2)
    same(len(first["Functions"]), 2)
    last = aws.list_functions(Marker=first["NextMarker"], MaxItems=2)
    same([function["FunctionName"] for function in first["Functions"] + last["Functions"]], listed, "the same order")
    assert "NextMarker" not in last, last
    same({function["FunctionArn"] for function in aws.list_functions()["Functions"]},
         {arn("adder"), arn("greeter"), arn("published")})  # fmt: skip
    same({function["FunctionArn"] for function in aws.list_functions(FunctionVersion="ALL")["Functions"]},
         {arn("adder", "$LATEST"), arn("greeter", "$LATEST"), arn("published", "$LATEST"), arn("published", "1")})  # fmt: skip

with step("delete"):
    same(status_of(aws.delete_function(FunctionName="greeter")), 204)
    with missing(f"Function not found: {arn('greeter')}"):
        aws.get_function(FunctionName="greeter")
    with missing(f"Function not found: {arn('greeter')}:$LATEST"):
        aws.invoke(FunctionName="greeter")
    with missing(f"Function not found: {arn('greeter')}"):
        aws.delete_function(FunctionName="greeter")
    same(len(aws.list_functions()["Functions"]), 2)

with step("the_name_is_free_again"):
    create("greeter", CODE)
    same(value(invoke({"a": 1})), {"event": {"a": 1}})
    same(aws.list_versions_by_function(FunctionName="published")["Versions"][-1]["Version"], "1")
