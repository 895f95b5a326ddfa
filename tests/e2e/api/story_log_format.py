"""Logs in JSON: the events of Lambda, records of the function, levels."""

import base64
import json

from aws import active, aws, create, has, logged, matches, python, request, same, step, updated, wrong, zipped

CODE = python("""
import logging, os, time

logger = logging.getLogger("fruit")

def lambda_handler(event, context):
    print("printed")
    logger.debug("ripe")
    logger.warning("rotten %d", 3, extra={"kind": "apple"})
    if event.get("exits"):
        os._exit(1)
    if event.get("throws"):
        raise ValueError("no fruit")
    return [os.environ.get("AWS_LAMBDA_LOG_FORMAT"), os.environ.get("AWS_LAMBDA_LOG_LEVEL")]
""")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def call(name="f", **event):
    """What was returned, the request's id, and the lines of the log: objects, and texts that are none."""
    answer = aws.invoke(FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail")
    text = base64.b64decode(answer["LogResult"]).decode()
    lines = [json.loads(line) if line.startswith("{") else line for line in text.splitlines()]
    return json.loads(answer["Payload"].read()), answer["ResponseMetadata"]["RequestId"], lines


def kinds(lines):
    return [line if isinstance(line, str) else line.get("type") or line["level"] for line in lines]


def configure(**logging):
    answer = aws.update_function_configuration(FunctionName="f", LoggingConfig=logging)
    updated("f")
    return answer["LoggingConfig"]


with step("text_is_what_it_was"):
    create("f", CODE)
    told, _, lines = call()
    same(told, [None, None])
    assert lines[0].startswith("START RequestId: ") and lines[-1].startswith("REPORT RequestId: "), lines

with step("events_in_json"):
    has(configure(LogFormat="JSON"), LogFormat="JSON", ApplicationLogLevel="INFO", SystemLogLevel="INFO")
    told, id, lines = call()
    same(told, ["JSON", "INFO"])
    same([kind for kind in kinds(lines) if kind != "platform.initStart"],
         ["platform.start", "printed", "WARNING", "platform.report"])  # fmt: skip
    start, record, report = lines[-4], lines[-2], lines[-1]
    matches(TIME, start["time"])
    same(start["record"], {"requestId": id, "version": "$LATEST"})
    has(record, message="rotten 3", logger="fruit", requestId=id, kind="apple")
    has(report["record"], requestId=id, status="success")
    metrics = report["record"]["metrics"]
    same(metrics["memorySizeMB"], 128)
    assert metrics["durationMs"] > 0 and metrics["billedDurationMs"] >= 1 and 1 <= metrics["maxMemoryUsedMB"] <= 128, metrics

with step("levels"):
    configure(LogFormat="JSON", ApplicationLogLevel="DEBUG", SystemLogLevel="DEBUG")
    told, id, lines = call()
    same(told, ["JSON", "DEBUG"])
    same([kind for kind in kinds(lines) if not kind.startswith("platform.init")],
         ["platform.start", "printed", "DEBUG", "WARNING", "platform.runtimeDone", "platform.report"])  # fmt: skip
    has(lines[-2]["record"], requestId=id, status="success")
    configure(LogFormat="JSON", ApplicationLogLevel="ERROR", SystemLogLevel="WARN")
    same(kinds(call()[2]), ["printed"])
    with wrong("Log Level is not supported when LogFormat is set to 'Text'."):
        configure(LogFormat="Text", SystemLogLevel="DEBUG")

with step("what_goes_wrong_is_a_warning"):
    told, id, lines = call(exits=True)
    same(told["errorType"], "Runtime.ExitError")
    same(kinds(lines), ["printed", "ERROR", "platform.runtimeDone", "platform.report"])
    has(lines[1], errorType="Runtime.ExitError", requestId=id)
    for event in lines[2:]:
        has(event["record"], requestId=id, status="error", errorType="Runtime.ExitError")
    told, id, lines = call(throws=True)
    same(told["errorType"], "ValueError")
    [error] = [line for line in lines if line != "printed"]
    has(error, level="ERROR", errorMessage="no fruit", errorType="ValueError", requestId=id)

with step("javascript"):
    source = 'exports.handler = async () => { console.info("ripe"); console.error("rotten"); return 1; };\n'
    code = zipped({"index.js": source})
    aws.create_function(**request("g", code, Runtime="nodejs24.x", Handler="index.handler", LoggingConfig={
        "LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "INFO", "LogGroup": "fruit"}))  # fmt: skip
    active("g")
    _, id, lines = call("g")
    same([kind for kind in kinds(lines) if kind != "platform.initStart"], ["platform.start", "ERROR", "platform.report"])
    has(lines[-2], message="rotten", requestId=id)

with step("the_group_has_the_same_lines"):
    [report] = [json.loads(event["message"]) for event in logged("fruit", '"platform.report"')]
    has(report["record"], requestId=id, status="success")

with step("back_to_text"):
    same(configure(LogFormat="Text"), {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"})
    assert call()[2][0].startswith("START RequestId: ")
