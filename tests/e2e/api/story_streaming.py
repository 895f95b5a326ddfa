"""Replies that leave while the function still runs."""

import http.client
import json
import os
import urllib.parse

from aws import aws, client, create, has, python, same, step, updated, zipped

STREAMING = zipped({"index.mjs": """
const gate = async (url) => (await fetch(url)).text();

export const handler = awslambda.streamifyResponse(async (sent, stream) => {
    const event = { ...sent, ...sent.queryStringParameters };
    if (event.type) stream.setContentType(event.type);
    if (event.status) {
        const headers = { 'Content-Type': 'text/plain', 'X-Fruit': 'apple' };
        stream = awslambda.HttpResponseStream.from(stream, { statusCode: Number(event.status), headers, cookies: ['a=1'] });
    }
    if (event.nothing) return stream.end();
    stream.write('first;');
    while (event.gate && (await gate(process.env.AWS_ENDPOINT_URL + event.gate)) !== 'open') {
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
    if (event.fail) throw new RangeError('no apples left');
    if (event.sleep) await new Promise((resolve) => setTimeout(resolve, 20000));
    for (let i = 0; i < (event.megabytes ?? 0); i++) stream.write(new Uint8Array(1 << 20));
    stream.end('last');
});
"""})  # fmt: skip
GATE = python('import os\n\ndef lambda_handler(event, context):\n    return os.environ["GATE"]\n')


def streamed(name, **event):
    return aws.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event), LogType="Tail")


def public_path(name, mode):
    """The path of a URL of a function, which anybody may use."""
    url = aws.create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode=mode)["FunctionUrl"]
    for action, more in [("InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}), ("InvokeFunction", {"InvokedViaFunctionUrl": True})]:
        aws.add_permission(FunctionName=name, StatementId=action, Action=f"lambda:{action}", Principal="*", **more)
    return f"/lambda-url/{url.split('//')[1].split('.')[0]}/"


def gate(state):
    aws.update_function_configuration(FunctionName="gate", Environment={"Variables": {"GATE": state}})
    updated("gate")


def get(path, **event):
    """The response to a request, of which the body is not read."""
    connection = http.client.HTTPConnection(os.environ["AWS_ENDPOINT_URL"].split("//")[1], timeout=60)
    connection.request("GET", f"{path}?{urllib.parse.urlencode(event)}")
    return connection.getresponse()


def read(events):
    """All that is left: the bytes, and how it ended."""
    payload, ended = b"", None
    for event in events:
        payload += event["PayloadChunk"]["Payload"] if "PayloadChunk" in event else b""
        ended = event.get("InvokeComplete", ended)
    return payload, ended


with step("the_functions"):
    create("writer", STREAMING, Runtime="nodejs24.x", Handler="index.handler", Timeout=30)
    create("gate", GATE, Environment={"Variables": {"GATE": "closed"}})
    GATE_PATH = public_path("gate", "BUFFERED")

with step("bytes_leave_while_the_function_runs"):
    answer = streamed("writer", gate=GATE_PATH)
    same(answer["ExecutedVersion"], "$LATEST")
    events = iter(answer["EventStream"])
    same(next(events)["PayloadChunk"]["Payload"], b"first;")
    gate("open")
    payload, ended = read(events)
    same(payload, b"last")
    assert "ErrorCode" not in ended and "LogResult" in ended, ended

with step("a_caller_who_wants_one_piece_gets_it"):
    answer = aws.invoke(FunctionName="writer", Payload=b"{}")
    assert "FunctionError" not in answer
    same(answer["Payload"].read(), b"first;last")

with step("more_than_a_reply_in_one_piece_may_have"):
    payload, ended = read(streamed("writer", megabytes=9)["EventStream"])
    same([len(payload), payload[-4:]], [9 * 1_048_576 + 10, b"last"])
    assert "ErrorCode" not in ended, ended
    answer = aws.invoke(FunctionName="writer", Payload=json.dumps({"megabytes": 9}))
    has(answer, FunctionError="Unhandled")
    has(json.loads(answer["Payload"].read()), errorType="Function.ResponseSizeTooLarge")

with step("an_error_in_the_middle_is_told_at_the_end"):
    payload, ended = read(streamed("writer", fail=True)["EventStream"])
    same(payload, b"first;")
    same(ended["ErrorCode"], "RangeError")
    has(json.loads(ended["ErrorDetails"]), errorType="RangeError", errorMessage="no apples left")

with step("an_empty_stream"):
    same(read(streamed("writer", nothing=True)["EventStream"])[0], b"")

with step("a_timeout_ends_the_stream"):
    aws.update_function_configuration(FunctionName="writer", Timeout=1)
    updated("writer")
    payload, ended = read(streamed("writer", sleep=True)["EventStream"])
    same([payload, ended["ErrorCode"]], [b"first;", "Sandbox.Timedout"])

with step("a_caller_who_leaves_does_not_end_the_call"):
    aws.update_function_configuration(FunctionName="writer", Timeout=30)
    updated("writer")
    answer = streamed("writer", megabytes=9)
    next(iter(answer["EventStream"]))
    answer["EventStream"].close()
    logs = client("logs")
    wait = 0
    while not any("REPORT" in event["message"] and answer["ResponseMetadata"]["RequestId"] in event["message"]
                  for event in logs.filter_log_events(logGroupName="/aws/lambda/writer")["events"]):  # fmt: skip
        wait += 1
        assert wait < 1_000, "the call does not end"

with step("a_function_that_does_not_stream_replies_in_one_piece"):
    payload, ended = read(streamed("gate")["EventStream"])
    same(payload, b'"open"')

with step("a_url_sends_the_response_while_the_function_runs"):
    path = public_path("writer", "RESPONSE_STREAM")
    gate("closed")
    response = get(path, gate=GATE_PATH, status=201)
    told = [response.status] + [response.headers[name] for name in ("Content-Type", "X-Fruit", "Set-Cookie", "Content-Length")]
    same(told, [201, "text/plain", "apple", "a=1", None])
    same(response.read(6), b"first;")
    gate("open")
    same(response.read(), b"last")

with step("a_url_sends_bytes_without_a_head_as_they_are"):
    response = get(path, type="text/html")
    same([response.status, response.headers["Content-Type"], response.read()], [200, "text/html", b"first;last"])
    same(get(path).headers["Content-Type"], "application/octet-stream")

with step("an_error_in_the_middle_breaks_the_response_off"):
    response = get(path, fail=1)
    same([response.status, response.read(6)], [200, b"first;"])
    try:
        response.read()
    except http.client.IncompleteRead:
        pass
    else:
        raise AssertionError("the response has an end")

with step("a_url_that_is_buffered_sends_the_whole_response"):
    aws.update_function_url_config(FunctionName="writer", InvokeMode="BUFFERED")
    response = get(path, status=404)
    told = [response.status, response.headers["X-Fruit"], response.headers["Content-Length"], response.read()]
    same(told, [404, "apple", "10", b"first;last"])
