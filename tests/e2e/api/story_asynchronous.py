"""Asynchronous invocations: accepted, called, called again, and told of when they are over.

The clock of the host's events is moved, so that minutes pass at once.
"""

import json
import os
import pathlib

from aws import arn, aws, client, create, eventually, has, logged, missing, own, python, refused, same, status_of, step

FOLDER = pathlib.Path(os.environ["EDGEWARD_TEST_FOLDER"])
OVER = FOLDER / "buckets/over"
OVER.mkdir()
TO_BUCKET = {"Destination": "arn:aws:s3:::over"}

iam = client("iam")
TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
]}  # fmt: skip
MAY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["s3:PutObject", "lambda:InvokeFunction"], "Resource": "*"},
]}  # fmt: skip
role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
iam.put_role_policy(RoleName="worker", PolicyName="deliver", PolicyDocument=json.dumps(MAY))

SOURCE = """
def lambda_handler(event, context):
    print("seen", event.get("id"), context.invoked_function_arn)
    if event.get("fail"):
        raise ValueError("no such fruit")
    return {"fruit": event["id"]}
"""
create("f", python(SOURCE), Role=role)
create("collector", python("def lambda_handler(event, context):\n    print('told', event['requestContext']['requestId'])\n"))


def send(name="f", **event):
    """Sends an event; returns the id of its request."""
    answer = aws.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
    same(status_of(answer), 202)
    same(answer["Payload"].read(), b"")
    assert "ExecutedVersion" not in answer and "FunctionError" not in answer, answer
    return answer["ResponseMetadata"]["RequestId"]


def settings(name="f", **more):
    aws.put_function_event_invoke_config(FunctionName=name, **more)


def waiting(line="function:f"):
    """How many events of a line wait."""
    return next((one["Events"] for one in own("ListLines")["Lines"] if one["Line"] == line), 0)


def first(line="function:f"):
    return own("PeekEvents", Line=line)["Events"][0]


def attempts(number):
    return eventually(f"{number} attempts", lambda: first()["Attempts"] == number and first())


def record_of(request_id):
    """The record that the bucket gets of an event."""
    def look():
        records = [json.loads(file.read_bytes()) for file in OVER.rglob("20*") if file.is_file()]
        return next((one for one in records if one["requestContext"]["requestId"] == request_id), None)
    return eventually("its record", look)  # fmt: skip


with step("an_event_is_called"):
    request_id = send(id=1)
    [event] = logged("/aws/lambda/f", '"seen 1"')
    has(event, message=f"seen 1 {arn('f')}\n")
    assert logged("/aws/lambda/f", f'"START RequestId: {request_id} Version: $LATEST"')
    eventually("it is over", lambda: waiting() == 0)

with step("what_no_event_can_be_is_refused_at_once"):
    with refused("RequestEntityTooLargeException", 413, "Request must be smaller than 1048576 bytes for the InvokeFunction operation"):
        aws.invoke(FunctionName="f", InvocationType="Event", Payload=b'"' + b"a" * ((1 << 20) - 1) + b'"')
    with refused("InvalidRequestContentException", 400, "Could not parse request body into json"):
        aws.invoke(FunctionName="f", InvocationType="Event", Payload=b"{")
    with missing(f"Function not found: {arn('nobody', '$LATEST')}"):
        aws.invoke(FunctionName="nobody", InvocationType="Event")
    same(waiting(), 0)

with step("a_function_that_fails_is_called_again_after_one_minute_and_after_two"):
    settings(DestinationConfig={"OnFailure": TO_BUCKET})
    request_id = send(id=2, fail=True)
    one = attempts(1)
    has(one, Id=request_id)
    assert 60_000 <= one["DueMs"] - one["AcceptedMs"] < 120_000, one
    own("AdvanceClock", Seconds=60)
    two = attempts(2)
    assert 180_000 <= two["DueMs"] - two["AcceptedMs"] < 240_000, two
    own("AdvanceClock", Seconds=120)
    record = record_of(request_id)
    has(record, version="1.0", requestPayload={"id": 2, "fail": True},
        requestContext={"requestId": request_id, "functionArn": arn("f", "$LATEST"), "condition": "RetriesExhausted",
                        "approximateInvokeCount": 3},
        responseContext={"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"})  # fmt: skip
    has(record["responsePayload"], errorType="ValueError", errorMessage="no such fruit", requestId=request_id)
    eventually("all attempts are in the log", lambda: len(logged("/aws/lambda/f", '"seen 2"')) == 3)
    same(waiting(), 0)

with step("retries_are_as_many_as_are_set"):
    settings(MaximumRetryAttempts=0, DestinationConfig={"OnFailure": TO_BUCKET})
    context = record_of(send(id=3, fail=True))["requestContext"]
    has(context, condition="RetriesExhausted", approximateInvokeCount=1)

with step("an_event_that_would_be_too_old_is_given_up"):
    settings(MaximumEventAgeInSeconds=60, DestinationConfig={"OnFailure": TO_BUCKET})
    context = record_of(send(id=4, fail=True))["requestContext"]
    has(context, condition="EventAgeExceeded", approximateInvokeCount=1)

with step("settings_are_those_of_the_qualifier"):
    aws.publish_version(FunctionName="f")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    settings(Qualifier="live", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": TO_BUCKET})
    record = record_of(send("f:live", id=5, fail=True))
    has(record["requestContext"], functionArn=arn("f", "live"), approximateInvokeCount=1)
    has(record["responseContext"], executedVersion="1")
    has(logged("/aws/lambda/f", '"seen 5"')[0], message=f"seen 5 {arn('f', 'live')}\n")

with step("another_function_is_told_of_success"):
    settings(DestinationConfig={"OnSuccess": {"Destination": arn("collector")}})
    request_id = send(id=6)
    assert logged("/aws/lambda/collector", f'"told {request_id}"')

with step("without_concurrency_an_event_is_given_up_at_once"):
    settings(DestinationConfig={"OnFailure": TO_BUCKET})
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    record = record_of(send(id=7))
    has(record["requestContext"], condition="ZeroReservedConcurrency", approximateInvokeCount=0)
    assert "responseContext" not in record, record

with step("events_wait_for_room"):
    # One at a time, whoever comes first.
    aws.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)
    settings(MaximumRetryAttempts=0, DestinationConfig={"OnSuccess": TO_BUCKET})
    for request_id in [send(id=n) for n in range(100, 120)]:
        has(record_of(request_id), requestContext={
            "requestId": request_id, "functionArn": arn("f", "$LATEST"), "condition": "Success", "approximateInvokeCount": 1,
        })  # fmt: skip
    aws.delete_function_concurrency(FunctionName="f")

with step("a_record_that_cannot_be_delivered_waits"):
    iam.put_role_policy(RoleName="worker", PolicyName="deliver", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}],
    }))  # fmt: skip
    request_id = send(id=8)
    line = "destination:arn:aws:s3:::over"
    eventually("it waits", lambda: waiting(line) == 1)
    iam.put_role_policy(RoleName="worker", PolicyName="deliver", PolicyDocument=json.dumps(MAY))
    own("AdvanceClock", Seconds=300)
    has(record_of(request_id)["requestContext"], condition="Success")
    eventually("nothing waits", lambda: own("ListLines")["Lines"] == [])

with step("the_events_of_a_function_that_is_gone_go_with_it"):
    settings(MaximumRetryAttempts=2)
    send(id=9, fail=True)
    attempts(1)
    aws.delete_function(FunctionName="f")
    own("AdvanceClock", Seconds=60)
    eventually("nothing waits", lambda: waiting() == 0)
