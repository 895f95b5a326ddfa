"""EventBridge: buses, rules, targets, patterns, schedules, events."""

import json
import pathlib
import re

from botocore import xform_name
from botocore.exceptions import ClientError

from aws import ACCOUNT, arn, aws, client, create, eventually, has, invalid, logged, own, python, refusal, refused, same, status_of, step

events = client("events")
# Sends also what boto3 knows to be wrong.
careless = client("events", parameter_validation=False)

OF = f"arn:aws:events:us-east-1:{ACCOUNT}:"
PATTERN = json.dumps({"source": ["shop"]})


def missing(text):
    return refused("ResourceNotFoundException", 400, text)


def unsound(reason):
    return refused("InvalidEventPatternException", 400, f"Event pattern is not valid. Reason: {reason}")


def names(answer, kind):
    return [one["Name"] for one in answer[kind]]


with step("buses"):
    same(names(events.list_event_buses(), "EventBuses"), ["default"])
    same(events.create_event_bus(Name="orders", Description="all of them")["EventBusArn"], OF + "event-bus/orders")
    has(events.describe_event_bus(Name="orders"), Name="orders", Arn=OF + "event-bus/orders", Description="all of them")
    same(events.describe_event_bus()["Name"], "default")
    same(events.describe_event_bus(Name=OF + "event-bus/orders")["Name"], "orders")
    events.update_event_bus(Name="orders", Description="some of them")
    same(events.describe_event_bus(Name="orders")["Description"], "some of them")
    with refused("ResourceAlreadyExistsException", 400, "Event bus orders already exists."):
        events.create_event_bus(Name="orders")
    with missing("Event bus none does not exist."):
        events.describe_event_bus(Name="none")
    with missing("Event bus none does not exist."):
        events.update_event_bus(Name="none", Description="x")
    with invalid("Cannot delete event bus default."):
        events.delete_event_bus(Name="default")
    with invalid("Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern"):
        careless.create_event_bus(Name="a b")
    same(status_of(events.delete_event_bus(Name="none")), 200)

with step("pages"):
    for name in ["page-1", "page-2", "page-3"]:
        events.create_event_bus(Name=name)
    first = events.list_event_buses(NamePrefix="page", Limit=2)
    same(names(first, "EventBuses"), ["page-1", "page-2"])
    same(names(events.list_event_buses(NamePrefix="page", NextToken=first["NextToken"]), "EventBuses"), ["page-3"])
    with invalid("Parameter NextToken is not valid."):
        events.list_event_buses(NextToken="nonsense")

with step("rules"):
    same(events.put_rule(Name="r", EventPattern=PATTERN, Description="d")["RuleArn"], OF + "rule/r")
    same(events.put_rule(Name="r", EventPattern=PATTERN, EventBusName="orders")["RuleArn"], OF + "rule/orders/r")
    has(
        events.describe_rule(Name="r"), Name="r", Arn=OF + "rule/r", EventPattern=PATTERN, State="ENABLED", Description="d",
        EventBusName="default", CreatedBy=ACCOUNT,
    )  # fmt: skip
    same(names(events.list_rules(), "Rules"), ["r"])
    same(names(events.list_rules(NamePrefix="x"), "Rules"), [])
    events.disable_rule(Name="r")
    same(events.describe_rule(Name="r")["State"], "DISABLED")
    events.enable_rule(Name="r")
    same(events.describe_rule(Name="r")["State"], "ENABLED")
    events.put_rule(Name="r", EventPattern=PATTERN)
    assert "Description" not in events.describe_rule(Name="r")
    for call in [events.describe_rule, events.enable_rule, events.disable_rule]:
        with missing("Rule none does not exist on EventBus default."):
            call(Name="none")
    with missing("Event bus none does not exist."):
        events.list_rules(EventBusName="none")
    with missing("Event bus none does not exist."):
        events.put_rule(Name="r", EventPattern=PATTERN, EventBusName="none")
    with invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."):
        events.put_rule(Name="r")
    with invalid("Value 'on' at 'state' failed to satisfy constraint: Member must satisfy enum value set"):
        careless.put_rule(Name="r", EventPattern=PATTERN, State="on")

with step("patterns"):
    with unsound('"source" must be an object or an array'):
        events.put_rule(Name="bad", EventPattern='{"source": "shop"}')
    with unsound("Unrecognized match type suffixxx"):
        events.put_rule(Name="bad", EventPattern='{"source": [{"suffixxx": "a"}]}')
    event = {
        "id": "1", "account": ACCOUNT, "source": "shop", "time": "2026-11-28T13:00:00Z", "region": "us-east-1", "resources": [],
        "detail-type": "sold", "detail": {"n": 3, "who": [{"name": "a", "age": 1}, {"name": "b", "age": 2}], "ip": "10.0.0.7"},
    }  # fmt: skip
    for detail, expected in [
        ({"n": [{"numeric": [">", 2, "<=", 3]}]}, True),
        ({"n": [{"anything-but": [3]}]}, False),
        ({"who": {"name": ["a"], "age": [1]}}, True),
        ({"who": {"name": ["a"], "age": [2]}}, False),
        ({"ip": [{"cidr": "10.0.0.0/24"}]}, True),
        ({"none": [{"exists": False}]}, True),
        ({"$or": [{"n": [4]}, {"ip": [{"wildcard": "10.*.7"}]}]}, True),
    ]:
        answer = events.test_event_pattern(EventPattern=json.dumps({"detail": detail}), Event=json.dumps(event))
        same(answer["Result"], expected, detail)
    with unsound("Filter is not an object"):
        events.test_event_pattern(EventPattern="[]", Event=json.dumps(event))
    for text in ["text", "{}"]:
        with invalid("Parameter Event is not valid."):
            events.test_event_pattern(EventPattern=PATTERN, Event=text)

with step("schedules"):
    for expression in ["rate(1 minute)", "rate(5 hours)", "cron(0 10 * * ? *)", "cron(0 18 ? * MON-FRI *)", "cron(0 9 ? * 3#2 *)"]:
        events.put_rule(Name="schedule", ScheduleExpression=expression)
        same(events.describe_rule(Name="schedule")["ScheduleExpression"], expression)
    for expression in ["rate(1 minutes)", "rate(0 minutes)", "cron(0 1 * * * *)", "cron(0 25 * * ? *)", "at(2030-01-01T00:00:00)", "x"]:
        with invalid("Parameter ScheduleExpression is not valid."):
            events.put_rule(Name="schedule", ScheduleExpression=expression)
    with invalid("ScheduleExpression is supported only on the default event bus."):
        events.put_rule(Name="schedule", ScheduleExpression="rate(1 day)", EventBusName="orders")
    events.delete_rule(Name="schedule")

with step("targets"):
    function, queue = arn("f"), f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    one = {
        "Id": "one", "Arn": function, "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"n": <n>}'},
        "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60}, "DeadLetterConfig": {"Arn": queue},
    }  # fmt: skip
    two = {"Id": "two", "Arn": queue, "Input": "{}"}
    has(events.put_targets(Rule="r", Targets=[two, one]), FailedEntryCount=0, FailedEntries=[])
    same(events.list_targets_by_rule(Rule="r")["Targets"], [one, two])
    same(events.list_rule_names_by_target(TargetArn=function)["RuleNames"], ["r"])
    same(events.list_rule_names_by_target(TargetArn=function, EventBusName="orders")["RuleNames"], [])
    for call in [lambda: events.list_targets_by_rule(Rule="none"), lambda: events.put_targets(Rule="none", Targets=[one])]:
        with missing("Rule none does not exist on EventBus default."):
            call()
    with invalid("Only one of Input, InputPath, or InputTransformer must be provided for target x."):
        events.put_targets(Rule="r", Targets=[{"Id": "x", "Arn": function, "Input": "{}", "InputPath": "$.detail"}])
    with invalid("Parameter f is not valid. Reason: Provided Arn is not in correct format."):
        events.put_targets(Rule="r", Targets=[{"Id": "x", "Arn": "f"}])
    with invalid("Parameter(s) SqsParameters must be specified for target: x."):
        events.put_targets(Rule="r", Targets=[{"Id": "x", "Arn": queue + ".fifo"}])
    with invalid("Parameter Input of target x is not valid."):
        events.put_targets(Rule="r", Targets=[{"Id": "x", "Arn": function, "Input": "{"}])
    with invalid("Value '186' at 'targets.1.member.retryPolicy.maximumRetryAttempts' failed to satisfy constraint"):
        events.put_targets(Rule="r", Targets=[{"Id": "x", "Arn": function, "RetryPolicy": {"MaximumRetryAttempts": 186}}])
    same(refusal(events.put_targets, Rule="r", Targets=[{"Id": "x", "Arn": queue.replace("sqs", "sns")}])["Error"]["Code"], "UnknownOperationException")
    with refused("LimitExceededException", 400, "The requested resource exceeds the maximum number allowed."):
        events.put_targets(Rule="r", Targets=[{"Id": str(n), "Arn": function} for n in range(4)])

with step("removing"):
    with invalid("Rule can't be deleted since it has targets."):
        events.delete_rule(Name="r")
    removed = events.remove_targets(Rule="r", Ids=["one", "none"])
    has(removed, FailedEntryCount=1)
    has(removed["FailedEntries"][0], TargetId="none", ErrorCode="ResourceNotFoundException")
    events.remove_targets(Rule="r", Ids=["two"])
    with missing("Rule none does not exist on EventBus default."):
        events.remove_targets(Rule="none", Ids=["one"])
    events.delete_rule(Name="r")
    same(status_of(events.delete_rule(Name="r")), 200)
    with invalid("Event bus can't be deleted since it has rules."):
        events.delete_event_bus(Name="orders")

with step("events"):
    good = {"Source": "shop", "DetailType": "sold", "Detail": '{"n": 1}'}
    put = events.put_events(Entries=[good, {**good, "Detail": "[]"}, {"Source": "shop"}, {**good, "EventBusName": "none"}])
    same(put["FailedEntryCount"], 2)
    same([entry.get("ErrorCode") for entry in put["Entries"]], [None, "MalformedDetail", "InvalidArgument", None])
    same(put["Entries"][2]["ErrorMessage"], "Parameter DetailType is not valid. Reason: DetailType is a required argument.")
    assert re.fullmatch(r"[0-9a-f-]{36}", put["Entries"][0]["EventId"])
    with invalid("at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10"):
        careless.put_events(Entries=[good] * 11)
    with invalid("Total size of the entries in the request is over the limit."):
        events.put_events(Entries=[{**good, "Detail": json.dumps({"d": "x" * (256 << 10)})}])

with step("events_come_to_functions_that_let_their_rules_in"):
    source = "def lambda_handler(event, context):\n    print('came', event['source'], event['detail'], event['resources'])\n"
    create("stock", python(source))
    create("closed", python(source))
    rules = {"sold": {"EventPattern": PATTERN}, "hourly": {"ScheduleExpression": "rate(1 hour)"}}
    for rule, means in rules.items():
        rule_arn = events.put_rule(Name=rule, **means)["RuleArn"]
        targets = [{"Id": name, "Arn": arn(name)} for name in ["stock", "closed"]]
        same(events.put_targets(Rule=rule, Targets=targets)["FailedEntryCount"], 0)
        aws.add_permission(FunctionName="stock", StatementId=rule, Action="lambda:InvokeFunction",
                           Principal="events.amazonaws.com", SourceArn=rule_arn)  # fmt: skip
    same(events.put_events(Entries=[{**good, "Detail": '{"n": 7}'}])["FailedEntryCount"], 0)
    [event] = logged("/aws/lambda/stock", '"came shop"')
    has(event, message="came shop {'n': 7} []\n")
    # In steps that are shorter than a tick may be late.
    def ticked():
        own("AdvanceClock", Seconds=20)
        ticks = client("logs").filter_log_events(logGroupName="/aws/lambda/stock", filterPattern='"came aws.events"')
        return ticks["events"]
    [event] = eventually("the tick of the schedule", ticked)
    has(event, message=f"came aws.events {{}} ['{OF}rule/hourly']\n")
    assert not any(group["logGroupName"].endswith("closed") for group in client("logs").describe_log_groups()["logGroups"])

with step("tags"):
    rule = OF + "rule/orders/r"
    events.tag_resource(ResourceARN=rule, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    events.untag_resource(ResourceARN=rule, TagKeys=["a"])
    same(events.list_tags_for_resource(ResourceARN=rule)["Tags"], [{"Key": "b", "Value": "2"}])
    with missing("Rule none does not exist on EventBus default."):
        events.list_tags_for_resource(ResourceARN=OF + "rule/none")
    with missing("Event bus none does not exist."):
        events.tag_resource(ResourceARN=OF + "event-bus/none", Tags=[])

with step("the_table_is_true"):
    text = (pathlib.Path(__file__).parents[3] / "docs/events.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (done|differs|not there) \|", text, re.M))
    assert sorted(rows) == sorted(events.meta.service_model.operation_names)
    for operation, state in rows.items():
        try:
            getattr(careless, xform_name(operation))()
            code = ""
        except ClientError as error:
            code = error.response["Error"]["Code"]
        same(code == "UnknownOperationException", state == "not there", operation)
