"""What every story needs: clients, zips, steps, refusals.

The endpoint and the credentials come from the environment, as for any program that uses boto3. A story has a server of its
own, without functions, layers or settings. It asserts, and prints `ok NAME` after each step.
"""

import contextlib
import io
import json
import os
import re
import threading
import zipfile

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.httpsession
import botocore.session
import botocore.waiter
from botocore.config import Config
from botocore.exceptions import ClientError

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")
STALE = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)
ANOTHER_REVISION = "00000000-0000-4000-8000-000000000000"
GONE = "The resource you requested does not exist."
WAIT = {"Delay": 1, "MaxAttempts": 60}


def client(service="lambda", **options):
    return boto3.client(service, config=Config(read_timeout=60, **options))


aws = client()
# Sends also what boto3 knows to be wrong.
careless = client(parameter_validation=False)
ACCOUNT = client("sts").get_caller_identity()["Account"]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda"


def arn(name, qualifier=None):
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}" + (f":{qualifier}" if qualifier else "")


def layer_arn(name, version=None):
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:{name}" + (f":{version}" if version else "")


def zipped(files):
    """The same bytes for the same files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text)
    return out.getvalue()


def python(source):
    return zipped({"lambda_function.py": source})


def request(name, code, **more):
    """What creates a function in Python, except for `more`."""
    return {
        "FunctionName": name, "Role": ROLE, "Runtime": "python3.14",
        "Handler": "lambda_function.lambda_handler", "Code": {"ZipFile": code}, **more,
    }  # fmt: skip


def create(name, code, **more):
    """Creates it, and waits until it is active."""
    made = aws.create_function(**request(name, code, **more))
    active(name)
    return made


def active(name):
    aws.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAIT)


def updated(name):
    aws.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=WAIT)


def provisioned(name, qualifier):
    """Waits for READY, for which boto3 has no waiter."""
    model = botocore.waiter.WaiterModel({"version": 2, "waiters": {"Provisioned": {
        "operation": "GetProvisionedConcurrencyConfig", "delay": 1, "maxAttempts": 60,
        "acceptors": [
            {"matcher": "path", "argument": "Status", "expected": "READY", "state": "success"},
            {"matcher": "path", "argument": "Status", "expected": "FAILED", "state": "failure"},
        ],
    }}})  # fmt: skip
    botocore.waiter.create_waiter_with_client("Provisioned", model, aws).wait(FunctionName=name, Qualifier=qualifier)


def logged(group, pattern):
    """The events of a log group with this pattern, once there are any: what functions log is on disk a moment later."""
    logs = client("logs")
    wanted = {"logGroupName": group, "filterPattern": pattern}
    model = botocore.waiter.WaiterModel({"version": 2, "waiters": {"Logged": {
        "operation": "FilterLogEvents", "delay": 1, "maxAttempts": 60,
        "acceptors": [
            {"matcher": "path", "argument": "length(events) > `0`", "expected": True, "state": "success"},
            {"matcher": "error", "expected": "ResourceNotFoundException", "state": "retry"},
        ],
    }}})  # fmt: skip
    botocore.waiter.create_waiter_with_client("Logged", model, logs).wait(**wanted)
    return logs.filter_log_events(**wanted)["events"]


@contextlib.contextmanager
def step(name):
    yield
    print("ok", name, flush=True)


@contextlib.contextmanager
def refused(code, status, text):
    """What is done here is refused, with this code and status, and with a message that has `text` in it."""
    try:
        yield
    except ClientError as error:
        answer = error.response
        is_so = (answer["Error"]["Code"], status_of(answer))
        assert is_so == (code, status), f"refused as {is_so} instead of {(code, status)}: {answer['Error'].get('Message')}"
        message = answer["Error"].get("Message") or ""
        assert text in message, f"the message is\n    {message}\nwithout\n    {text}"
    else:
        raise AssertionError(f"not refused; expected {code} ({status}): {text}")


def refusal(call, **arguments):
    """The answer of what is refused, to be looked at."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        return error.response
    raise AssertionError(f"not refused: {answer}")


def invalid(text):
    """A value that the model of the API excludes."""
    return refused("ValidationException", 400, text)


def wrong(text):
    """A value that only the service can judge."""
    return refused("InvalidParameterValueException", 400, text)


def missing(text):
    return refused("ResourceNotFoundException", 404, text)


def conflict(text):
    return refused("ResourceConflictException", 409, text)


def stale(text=STALE):
    return refused("PreconditionFailedException", 412, text)


def status_of(answer):
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def same(found, expected, what="value"):
    assert found == expected, f"{what}:\n    {found!r}\nexpected:\n    {expected!r}"


def has(found, **expected):
    """These members, whatever else there is."""
    for name, value in expected.items():
        assert name in found, f"no {name} in {found}"
        same(found[name], value, name)


def matches(pattern, text):
    assert re.fullmatch(pattern, text), f"{text!r} does not match {pattern!r}"


def own(operation, **members):
    """An operation of Edgeward's own service, for which boto3 has no model."""
    session = botocore.session.get_session()
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    headers = {"X-Amz-Target": f"Edgeward.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    request = botocore.awsrequest.AWSRequest("POST", endpoint, headers, json.dumps(members).encode())
    botocore.auth.SigV4Auth(session.get_credentials(), "edgeward", "us-east-1").add_auth(request)
    answer = botocore.httpsession.URLLib3Session().send(request.prepare())
    told = json.loads(answer.content)
    assert answer.status_code == 200, told
    return told


def eventually(what, look):
    """What `look` returns, once it is something."""
    for _ in range(1_200):
        if found := look():
            return found
        threading.Event().wait(0.05)
    raise AssertionError(f"{what}: in vain")
