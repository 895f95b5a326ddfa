"""What becomes of asynchronous invocations: the configuration of retries and destinations."""

import datetime

from aws import arn, aws, careless, create, has, invalid, missing, python, same, status_of, step, wrong

CODE = python("def lambda_handler(event, context):\n    return 1\n")
create("f", CODE)
create("collector", CODE)
aws.publish_version(FunctionName="f")
aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
UNSET = {"OnSuccess": {}, "OnFailure": {}}
NONE = f"The function {arn('f')}:$LATEST doesn't have an EventInvokeConfig"


def put(**more):
    return aws.put_function_event_invoke_config(FunctionName="f", **more)


with step("no_configuration"):
    for call in [aws.get_function_event_invoke_config, aws.delete_function_event_invoke_config]:
        with missing(NONE):
            call(FunctionName="f")
    with missing(NONE):
        aws.update_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
    same(aws.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"], [])

with step("put"):
    answer = put(MaximumRetryAttempts=0)
    same(status_of(answer), 200)
    has(answer, FunctionArn=arn("f", "$LATEST"), MaximumRetryAttempts=0, DestinationConfig=UNSET)
    assert "MaximumEventAgeInSeconds" not in answer, answer
    # Seconds since 1970, which boto3 has made a date of.
    assert isinstance(answer["LastModified"], datetime.datetime), answer
    has(aws.get_function_event_invoke_config(FunctionName="f"), FunctionArn=arn("f", "$LATEST"), MaximumRetryAttempts=0)

with step("put_replaces"):
    answer = put(MaximumEventAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": arn("collector")}})
    has(answer, MaximumEventAgeInSeconds=60, DestinationConfig={"OnSuccess": {}, "OnFailure": {"Destination": arn("collector")}})
    assert "MaximumRetryAttempts" not in answer, answer

with step("update_adds"):
    answer = aws.update_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=2)
    has(answer, MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnSuccess": {}, "OnFailure": {"Destination": arn("collector")}})  # fmt: skip

with step("each_qualifier_has_its_configuration"):
    has(put(Qualifier="live", MaximumRetryAttempts=1), FunctionArn=arn("f", "live"))
    has(put(Qualifier="1", MaximumRetryAttempts=0), FunctionArn=arn("f", "1"))
    listed = aws.list_function_event_invoke_configs(FunctionName="f")["FunctionEventInvokeConfigs"]
    same({one["FunctionArn"] for one in listed}, {arn("f", "$LATEST"), arn("f", "live"), arn("f", "1")})
    has(aws.get_function_event_invoke_config(FunctionName="f", Qualifier="live"), MaximumRetryAttempts=1)

with step("configurations_that_cannot_be"):
    with wrong("You must specify at least one of error handling or destination setting."):
        put()
    with wrong("You can't specify the function as a destination for itself."):
        put(DestinationConfig={"OnFailure": {"Destination": arn("f")}})
    with wrong(f"The destination ARN {arn('nobody')} is invalid."):
        put(DestinationConfig={"OnSuccess": {"Destination": arn("nobody")}})
    with invalid("at 'destinationConfig.onFailure.destination' failed to satisfy constraint: "
                 "Member must satisfy regular expression pattern: "):  # fmt: skip
        put(DestinationConfig={"OnFailure": {"Destination": "apples"}})
    with invalid("Value '3' at 'maximumRetryAttempts' failed to satisfy constraint: Member must have value less than or equal to 2"):
        put(MaximumRetryAttempts=3)
    with invalid("Value '21601' at 'maximumEventAgeInSeconds' failed to satisfy constraint: "
                 "Member must have value less than or equal to 21600"):  # fmt: skip
        put(MaximumEventAgeInSeconds=21_601)
    with invalid("Value '59' at 'maximumEventAgeInSeconds' failed to satisfy constraint: "
                 "Member must have value greater than or equal to 60"):  # fmt: skip
        careless.put_function_event_invoke_config(FunctionName="f", MaximumEventAgeInSeconds=59)
    for nobody in [{"FunctionName": "nobody"}, {"FunctionName": "f", "Qualifier": "nowhere"}, {"FunctionName": "f", "Qualifier": "9"}]:
        with missing("The function doesn't exist."):
            aws.put_function_event_invoke_config(**nobody, MaximumRetryAttempts=1)

with step("delete"):
    same(status_of(aws.delete_function_event_invoke_config(FunctionName="f")), 204)
    with missing(NONE):
        aws.get_function_event_invoke_config(FunctionName="f")
    has(aws.get_function_event_invoke_config(FunctionName="f", Qualifier="live"), MaximumRetryAttempts=1)
