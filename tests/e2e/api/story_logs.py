"""Log groups, streams and events, as boto3 and `aws logs` use them."""

import os
import re
import subprocess
import time

from aws import ACCOUNT, client, has, refusal, refused, same, status_of, step

logs = client("logs")
careless = client("logs", parameter_validation=False)
GROUP = "/story/logs"
ARN = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{GROUP}"
NO_GROUP = "The specified log group does not exist."
NO_STREAM = "The specified log stream does not exist."
KNOWN_GROUP = "The specified log group already exists"
DAY_MS = 24 * 3_600 * 1_000
CLI = "/usr/bin/aws"


def now_ms():
    return int(time.time() * 1_000)


def missing(text):
    return refused("ResourceNotFoundException", 400, text)


def wrong(text):
    return refused("InvalidParameterException", 400, text)


def put(stream, *events, group=GROUP):
    """Events as (time in ms, message)."""
    batch = [{"timestamp": at, "message": message} for at, message in events]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=batch)


def messages(answer):
    return [event["message"] for event in answer["events"]]


def found(**more):
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, **more)
    return [message for page in pages for message in messages(page)]


def aws_cli(*arguments):
    # Version 2.9 does not know AWS_ENDPOINT_URL.
    command = [CLI, "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], "logs", *arguments]
    environment = dict(os.environ, AWS_PAGER="", PYTHONUNBUFFERED="1")
    environment.pop("PYTHONPATH", None)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def told(*arguments):
    running = aws_cli(*arguments)
    out, _ = running.communicate(timeout=60)
    same(running.returncode, 0)
    return out


with step("create_group"):
    same(status_of(logs.create_log_group(logGroupName=GROUP, tags={"team": "fruit"})), 200)
    with refused("ResourceAlreadyExistsException", 400, KNOWN_GROUP):
        logs.create_log_group(logGroupName=GROUP)
    with wrong("1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: "):
        logs.create_log_group(logGroupName="a b")
    with wrong("Member must have length less than or equal to 512"):
        logs.create_log_group(logGroupName="a" * 513)
    logs.create_log_group(logGroupName="a" * 512)
    logs.delete_log_group(logGroupName="a" * 512)

with step("describe_groups"):
    [group] = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
    has(group, logGroupName=GROUP, metricFilterCount=0, arn=f"{ARN}:*", storedBytes=0, logGroupClass="STANDARD", logGroupArn=ARN)
    assert abs(group["creationTime"] - now_ms()) < 60_000
    assert "retentionInDays" not in group
    for number in range(4):
        logs.create_log_group(logGroupName=f"/story/many/{number}")
    pages = list(logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/story/many/", PaginationConfig={"PageSize": 2}))
    same([group["logGroupName"] for page in pages for group in page["logGroups"]], [f"/story/many/{number}" for number in range(4)])
    same(len(pages), 2)
    same([group["logGroupName"] for group in logs.describe_log_groups(logGroupNamePattern="many/3")["logGroups"]], ["/story/many/3"])
    with wrong("mutually exclusive"):
        logs.describe_log_groups(logGroupNamePrefix="a", logGroupNamePattern="b")
    with wrong("at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50"):
        logs.describe_log_groups(limit=51)
    with wrong("The specified nextToken is invalid."):
        logs.describe_log_groups(nextToken="nonsense")

with step("retention"):
    for days in [1, 14, 3653]:
        logs.put_retention_policy(logGroupName=GROUP, retentionInDays=days)
        same(logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]["retentionInDays"], days)
    with wrong("retentionInDays"):
        logs.put_retention_policy(logGroupName=GROUP, retentionInDays=2)
    logs.delete_retention_policy(logGroupName=GROUP)
    assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]
    with missing(NO_GROUP):
        logs.put_retention_policy(logGroupName="nobody", retentionInDays=1)

with step("tags"):
    logs.tag_resource(resourceArn=ARN, tags={"stage": "test"})
    same(logs.list_tags_for_resource(resourceArn=ARN)["tags"], {"team": "fruit", "stage": "test"})
    logs.untag_resource(resourceArn=ARN, tagKeys=["team", "none"])
    logs.tag_log_group(logGroupName=GROUP, tags={"old": "way"})
    same(logs.list_tags_log_group(logGroupName=GROUP)["tags"], {"stage": "test", "old": "way"})
    logs.untag_log_group(logGroupName=GROUP, tags=["old"])
    same(logs.list_tags_for_resource(resourceArn=ARN)["tags"], {"stage": "test"})
    with missing(NO_GROUP):
        logs.list_tags_for_resource(resourceArn=ARN + "x")
    with refused("TooManyTagsException", 400, "50"):
        for first in (0, 40):
            logs.tag_resource(resourceArn=ARN, tags={f"tag-{n}": "" for n in range(first, first + 40)})
    logs.untag_resource(resourceArn=ARN, tagKeys=[f"tag-{n}" for n in range(40)])

with step("streams"):
    for name in ["a", "b", "2026/01/01/[$LATEST]0"]:
        logs.create_log_stream(logGroupName=GROUP, logStreamName=name)
    with refused("ResourceAlreadyExistsException", 400, "The specified log stream already exists"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName="a")
    with missing(NO_GROUP):
        logs.create_log_stream(logGroupName="nobody", logStreamName="a")
    with wrong("at 'logStreamName' failed to satisfy constraint"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName="a:b")
    streams = logs.describe_log_streams(logGroupName=GROUP)["logStreams"]
    same([stream["logStreamName"] for stream in streams], ["2026/01/01/[$LATEST]0", "a", "b"])
    has(streams[1], arn=f"{ARN}:log-stream:a", storedBytes=0)
    assert "lastEventTimestamp" not in streams[1]
    same(logs.describe_log_streams(logGroupIdentifier=ARN, logStreamNamePrefix="2026")["logStreams"], streams[:1])

with step("put_events"):
    start = now_ms() - 60_000
    answer = put("a", (start, "one"), (start, "two"), (start + 10, "three"))
    assert answer["nextSequenceToken"] and "rejectedLogEventsInfo" not in answer
    put("b", (start + 5, "from b"))
    with wrong("Log events in a single PutLogEvents request must be in chronological order."):
        put("a", (start + 1, "x"), (start, "y"))
    with wrong("cannot span more than 24 hours"):
        put("a", (start - DAY_MS - 1, "x"), (start, "y"))
    with wrong("Log event too large: 262145 bytes exceeds limit of 262144"):
        put("a", (start, "x" * (262_145 - 26)))
    with wrong("Upload too large: "):
        put("a", *[(start, "x" * 250_000)] * 5)
    with wrong("at 'logEvents.1.member.message' failed to satisfy constraint"):
        careless.put_log_events(logGroupName=GROUP, logStreamName="a", logEvents=[{"timestamp": 1, "message": ""}])
    with missing(NO_STREAM):
        put("nobody", (start, "x"))
    with missing(NO_GROUP):
        put("a", (start, "x"), group="nobody")
    old = put("a", (start - 15 * DAY_MS, "old"))
    same(old["rejectedLogEventsInfo"], {"tooOldLogEventEndIndex": 1})
    new = put("b", (now_ms(), "now"), (now_ms() + 3 * 3_600 * 1_000, "tomorrow"))
    same(new["rejectedLogEventsInfo"], {"tooNewLogEventStartIndex": 1})

with step("streams_by_time"):
    [last, *_] = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True, limit=1)["logStreams"]
    same(last["logStreamName"], "b")
    has(last, firstEventTimestamp=start + 5)
    pages = list(logs.get_paginator("describe_log_streams").paginate(logGroupName=GROUP, orderBy="LastEventTime", PaginationConfig={"PageSize": 1}))
    same([stream["logStreamName"] for page in pages for stream in page["logStreams"]], ["2026/01/01/[$LATEST]0", "a", "b"])
    with wrong("Cannot order by LastEventTime with a logStreamNamePrefix."):
        logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", logStreamNamePrefix="a")

with step("get_events"):
    question = {"logGroupName": GROUP, "logStreamName": "a", "limit": 2}
    newest = logs.get_log_events(**question)
    same(messages(newest), ["two", "three"])
    has(newest["events"][0], timestamp=start)
    assert newest["events"][0]["ingestionTime"] >= start
    assert re.fullmatch(r"f/\d{56}/s", newest["nextForwardToken"]) and re.fullmatch(r"b/\d{56}/s", newest["nextBackwardToken"])
    same(messages(logs.get_log_events(nextToken=newest["nextBackwardToken"], **question)), ["one"])
    end = logs.get_log_events(nextToken=newest["nextForwardToken"], **question)
    same((end["events"], end["nextForwardToken"]), ([], newest["nextForwardToken"]))
    same(messages(logs.get_log_events(startFromHead=True, **question)), ["one", "two"])
    same(messages(logs.get_log_events(startTime=start + 1, endTime=start + 11, **question)), ["three"])
    same(messages(logs.get_log_events(startTime=start + 1, endTime=start + 10, **question)), [])
    put("a", (start + 20, "four"))
    same(messages(logs.get_log_events(nextToken=end["nextForwardToken"], **question)), ["four"])
    with missing(NO_STREAM):
        logs.get_log_events(logGroupName=GROUP, logStreamName="nobody")
    with wrong("The specified nextToken is invalid."):
        logs.get_log_events(nextToken="x", **question)

with step("filter_events"):
    answer = logs.filter_log_events(logGroupName=GROUP, interleaved=True)
    same(messages(answer), ["one", "two", "from b", "three", "four", "now"])
    same(answer["searchedLogStreams"], [])
    assert "nextToken" not in answer
    assert len({event["eventId"] for event in answer["events"]}) == 6
    same(answer["events"][2]["logStreamName"], "b")
    same(found(PaginationConfig={"PageSize": 2}), messages(answer))
    same(found(logStreamNames=["b"]), ["from b", "now"])
    same(found(logStreamNamePrefix="a", endTime=start + 10), ["one", "two", "three"])
    same(found(startTime=start + 10, endTime=start + 10), ["three"])
    same(messages(logs.filter_log_events(logGroupIdentifier=ARN + ":*", limit=1)), ["one"])
    with missing(NO_STREAM):
        logs.filter_log_events(logGroupName=GROUP, logStreamNames=["nobody"])
    with missing(NO_GROUP):
        logs.filter_log_events(logGroupName="nobody")
    with wrong("logStreamName"):
        logs.filter_log_events(logGroupName=GROUP, logStreamNames=["a"], logStreamNamePrefix="a")

with step("filter_patterns"):
    at = now_ms()
    lines = ['{"level":"ERROR","latency":7}', '{"level":"INFO","latency":1}', "ERROR 404 not found", "INFO 200 all well"]
    put("a", *[(at, line) for line in lines])
    for pattern, numbers in [
        ("ERROR", [0, 2]),
        ("?404 ?200", [2, 3]),
        ('"not found"', [2]),
        ("INFO -well", [1]),
        ('{ $.level = "ERROR" && $.latency > 5 }', [0]),
        ("{ $.level = * }", [0, 1]),
        ("[level, status = 4*, ...]", [2]),
    ]:
        same(found(startTime=at, logStreamNames=["a"], filterPattern=pattern), [lines[number] for number in numbers], pattern)
    for pattern in ["%ERR%", "{ $.level = ", '"open', "a" * 1_025]:
        with wrong(""):
            careless.filter_log_events(logGroupName=GROUP, filterPattern=pattern)

with step("many_events"):
    logs.create_log_stream(logGroupName=GROUP, logStreamName="many")
    at = now_ms() - 1_000
    for batch in range(3):
        put("many", *[(at, f"{batch} {number:04} {'x' * 90}") for number in range(5_000)])
    answer = logs.filter_log_events(logGroupName=GROUP, logStreamNames=["many"])
    same((len(answer["events"]), "nextToken" in answer), (10_000, True))
    texts = found(logStreamNames=["many"])
    same((len(texts), texts == sorted(texts)), (15_000, True))

with step("delete_stream"):
    logs.delete_log_stream(logGroupName=GROUP, logStreamName="many")
    with missing(NO_STREAM):
        logs.delete_log_stream(logGroupName=GROUP, logStreamName="many")
    same(found(logStreamNamePrefix="many"), [])

with step("command_line"):
    same(told("describe-log-groups", "--query", "logGroups[].logGroupName", "--output", "text").split().count(GROUP), 1)
    out = told("filter-log-events", "--log-group-name", GROUP, "--filter-pattern", "three", "--query", "events[].message", "--output", "text")
    same(out, "three\n")
    out = told("get-log-events", "--log-group-name", GROUP, "--log-stream-name", "b", "--query", "events[].message", "--output", "text")
    same(out, "from b\tnow\n")
    out = told("tail", GROUP, "--since", "10m", "--format", "short")
    assert [line.split(" ", 1)[1] for line in out.splitlines()][:2] == ["one", "two"], out

with step("tail_follows"):
    following = aws_cli("tail", GROUP, "--follow", "--since", "1m", "--filter-pattern", "followed", "--format", "short")
    put("a", (now_ms(), "followed 1"))
    assert following.stdout.readline().endswith("followed 1\n")
    put("b", (now_ms(), "followed 2"))
    assert following.stdout.readline().endswith("followed 2\n")
    following.terminate()

with step("not_here"):
    for call, more in [(logs.start_query, {"logGroupName": GROUP, "startTime": 0, "endTime": 1, "queryString": "fields @message"}), (logs.describe_metric_filters, {})]:
        assert "not supported here" in refusal(call, **more)["Error"]["Message"]

with step("delete_group"):
    logs.delete_log_group(logGroupName=GROUP)
    with missing(NO_GROUP):
        logs.delete_log_group(logGroupName=GROUP)
    with missing(NO_GROUP):
        logs.filter_log_events(logGroupName=GROUP)
    logs.create_log_group(logGroupName=GROUP)
    same((found(), logs.describe_log_streams(logGroupName=GROUP)["logStreams"]), ([], []))
