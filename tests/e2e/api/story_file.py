"""Functions of the configuration's file, in a host that serves sites, too: shown, invoked, and changed in the file only."""

import base64
import hashlib
import json
import pathlib

import boto3

from aws import (
    ACCOUNT, arn, aws, client, conflict, create, has, matches, missing, python, request, same, status_of, step, wrong,
)  # fmt: skip


def body(answer):
    return json.loads(answer["Payload"].read())


def digest(text):
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


with step("list"):
    create("made", python("def lambda_handler(event, context):\n    return 1\n"))
    names = [function["FunctionName"] for page in aws.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
             for function in page["Functions"]]  # fmt: skip
    same(names, ["adder", "greeter", "hook", "made", "shop"])
    aws.delete_function(FunctionName="made")

with step("get_a_source"):
    found = aws.get_function(FunctionName="greeter")
    same(found["Code"], {"RepositoryType": "File"})
    assert "Tags" not in found and "Concurrency" not in found, found
    has(found["Configuration"], FunctionName="greeter", FunctionArn=arn("greeter"), Runtime="python3.14", Version="$LATEST",
        Handler="greeter.lambda_handler", Role=f"arn:aws:iam::{ACCOUNT}:role/edgeward-file", Timeout=3, MemorySize=256,
        PackageType="Zip", State="Active", LastUpdateStatus="Successful")  # fmt: skip
    assert "Environment" not in found["Configuration"], "what the file keeps to itself"
    matches(r"a function, defined in /.*/edge\.toml", found["Configuration"]["Description"])
    matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", found["Configuration"]["LastModified"])
    FILE = pathlib.Path(found["Configuration"]["Description"].removeprefix("a function, defined in "))
    source = (FILE.parent / "greeter.py").read_bytes()
    same(found["Configuration"]["CodeSize"], len(source))
    same(aws.get_function_configuration(FunctionName="greeter")["RevisionId"], found["Configuration"]["RevisionId"])

with step("get_a_component"):
    found = aws.get_function_configuration(FunctionName=arn("adder", "$LATEST"))
    component = (FILE.parent / "adder.wasm").read_bytes()
    has(found, Runtime="provided.al2023", Handler="bootstrap", CodeSize=len(component), CodeSha256=digest(component),
        FunctionArn=arn("adder", "$LATEST"))  # fmt: skip

with step("get_what_is_no_function"):
    found = aws.get_function_configuration(FunctionName="hook")
    has(found, Runtime="cloudfront-js-2.0", Handler="hook.handler", CodeSha256=digest((FILE.parent / "hook.js").read_bytes()))
    same(found["Description"], f"a hook (viewer-request, viewer-response), defined in {FILE}")
    found = aws.get_function_configuration(FunctionName="shop")
    same((found["Runtime"], found["Description"]), ("provided.al2023", f"an HTTP service, defined in {FILE}"))

with step("other_reads"):
    same([version["Version"] for version in aws.list_versions_by_function(FunctionName="greeter")["Versions"]], ["$LATEST"])
    same(aws.list_aliases(FunctionName="greeter")["Aliases"], [])
    same(aws.list_tags(Resource=arn("greeter"))["Tags"], {})
    assert "ReservedConcurrentExecutions" not in aws.get_function_concurrency(FunctionName="greeter")
    same(aws.list_function_url_configs(FunctionName="greeter")["FunctionUrlConfigs"], [])
    same(aws.list_function_event_invoke_configs(FunctionName="greeter")["FunctionEventInvokeConfigs"], [])
    same(aws.list_provisioned_concurrency_configs(FunctionName="greeter")["ProvisionedConcurrencyConfigs"], [])
    same(aws.get_function_recursion_config(FunctionName="greeter")["RecursiveLoop"], "Terminate")
    same(aws.get_runtime_management_config(FunctionName="greeter")["UpdateRuntimeOn"], "Auto")
    with missing("The resource you requested does not exist."):
        aws.get_policy(FunctionName="greeter")
    with missing("Function not found: " + arn("greeter", "7")):
        aws.get_function(FunctionName="greeter", Qualifier="7")

with step("invoke"):
    answer = aws.invoke(FunctionName="greeter", Payload=b'{"name": "Ada"}', LogType="Tail")
    same((status_of(answer), body(answer), answer["ExecutedVersion"]), (200, "hello Ada", "$LATEST"))
    log = base64.b64decode(answer["LogResult"]).decode()
    assert log.startswith("START RequestId: ") and "Memory Size: 256 MB" in log, log
    same(body(aws.invoke(FunctionName="adder", Payload=b'{"do": "add", "numbers": [1, 2]}')), 3)
    same(status_of(aws.invoke(FunctionName="greeter", InvocationType="DryRun")), 204)
    context = body(aws.invoke(FunctionName="adder", Payload=b'{"do": "context"}'))
    has(context, name="adder", arn=arn("adder"), version="$LATEST", group="/aws/lambda/adder")

with step("invoke_and_stream"):
    events = list(aws.invoke_with_response_stream(FunctionName="greeter", Payload=b'{"name": "Bo"}')["EventStream"])
    same(b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event), b'"hello Bo"')

with step("its_error_is_its_own"):
    answer = aws.invoke(FunctionName="greeter", Payload=b"[]")
    same((status_of(answer), answer["FunctionError"]), (200, "Unhandled"))
    same(body(answer)["errorType"], "AttributeError")

with step("its_log_is_kept"):
    events = client("logs").filter_log_events(logGroupName="/aws/lambda/greeter", filterPattern="START")["events"]
    same(len(events), 3)

with step("what_takes_no_events_is_not_invoked"):
    for name, kind in [("hook", "a hook (viewer-request, viewer-response)"), ("shop", "an HTTP service")]:
        for kind_of_call in ["RequestResponse", "DryRun"]:
            with wrong(f"The function {name} of the file {FILE} is {kind}, which takes requests of sites and no events"):
                aws.invoke(FunctionName=name, InvocationType=kind_of_call)

CODE = python("def lambda_handler(event, context):\n    return 1\n")
REFUSED = f"The function greeter is defined in the file {FILE}. Change it there: the API only shows it."
ONE = {"FunctionName": "greeter"}

with step("nothing_changes_it"):
    for call, more in [
        (aws.update_function_code, {"ZipFile": CODE}),
        (aws.update_function_code, {"ZipFile": CODE, "DryRun": True}),
        (aws.update_function_configuration, {"Timeout": 9}),
        (aws.delete_function, {}),
        (aws.delete_function, {"Qualifier": "1"}),
        (aws.publish_version, {}),
        (aws.create_alias, {"Name": "live", "FunctionVersion": "$LATEST"}),
        (aws.update_alias, {"Name": "live", "FunctionVersion": "$LATEST"}),
        (aws.delete_alias, {"Name": "live"}),
        (aws.add_permission, {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}),
        (aws.remove_permission, {"StatementId": "s"}),
        (aws.put_function_concurrency, {"ReservedConcurrentExecutions": 1}),
        (aws.delete_function_concurrency, {}),
        (aws.put_provisioned_concurrency_config, {"Qualifier": "1", "ProvisionedConcurrentExecutions": 1}),
        (aws.delete_provisioned_concurrency_config, {"Qualifier": "1"}),
        (aws.put_function_event_invoke_config, {"MaximumRetryAttempts": 1}),
        (aws.update_function_event_invoke_config, {"MaximumRetryAttempts": 1}),
        (aws.delete_function_event_invoke_config, {}),
        (aws.create_function_url_config, {"AuthType": "NONE"}),
        (aws.update_function_url_config, {"AuthType": "NONE"}),
        (aws.delete_function_url_config, {}),
        (aws.put_function_recursion_config, {"RecursiveLoop": "Allow"}),
    ]:  # fmt: skip
        with conflict(REFUSED):
            call(**ONE, **more)
    with conflict(REFUSED):
        aws.tag_resource(Resource=arn("greeter"), Tags={"a": "b"})
    with conflict(REFUSED):
        aws.untag_resource(Resource=arn("greeter"), TagKeys=["a"])

with step("none_is_made_of_its_name"):
    with conflict(REFUSED):
        aws.create_function(**request("greeter", CODE))
    with conflict(REFUSED):
        aws.create_function(**request(arn("greeter"), CODE))
    same(aws.get_function_configuration(**ONE)["Timeout"], 3)

with step("who_may_not_is_told_that"):
    iam = client("iam")
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "lambda:Get*", "Resource": arn("greeter")}}))  # fmt: skip
    keys = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = boto3.client("lambda", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"])
    same(reader.get_function_configuration(**ONE)["FunctionName"], "greeter")
    for call, more in [(reader.delete_function, {}), (reader.invoke, {})]:
        try:
            call(**ONE, **more)
        except reader.exceptions.ClientError as error:
            same(error.response["Error"]["Code"], "AccessDeniedException")
        else:
            raise AssertionError("not refused")
