"""Who may call a function: its resource policies."""

import json

from botocore.exceptions import ClientError

from aws import (
    ACCOUNT, ANOTHER_REVISION, GONE, UUID, arn, aws, conflict, create, has, invalid, matches, missing, python, refused, same,
    stale, status_of, step, wrong,
)  # fmt: skip

create("f", python("def lambda_handler(event, context):\n    return 1\n"))
aws.publish_version(FunctionName="f")
aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
STALE_POLICY = (
    "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id"
)


def add(sid, **more):
    said = {"FunctionName": "f", "StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
    return aws.add_permission(**{**said, **more})


def policy(**more):
    return json.loads(aws.get_policy(FunctionName="f", **more)["Policy"])


with step("no_policy"):
    with missing(GONE):
        aws.get_policy(FunctionName="f")
    with missing("No policy is associated with the given resource."):
        aws.remove_permission(FunctionName="f", StatementId="s3")

with step("a_service"):
    answer = add("s3")
    same(status_of(answer), 201)
    s3 = {
        "Sid": "s3", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction",
        "Resource": arn("f"),
    }  # fmt: skip
    same(json.loads(answer["Statement"]), s3)
    same(policy(), {"Version": "2012-10-17", "Id": "default", "Statement": [s3]})

with step("conditions"):
    def condition(sid, **more):
        return json.loads(add(sid, **more)["Statement"])["Condition"]

    bucket = "arn:aws:s3:::apples"
    same(condition("of_a_bucket", SourceArn=bucket), {"ArnLike": {"AWS:SourceArn": bucket}})
    same(condition("of_an_account", SourceArn=bucket, SourceAccount=ACCOUNT),
         {"StringEquals": {"AWS:SourceAccount": ACCOUNT}, "ArnLike": {"AWS:SourceArn": bucket}})  # fmt: skip
    same(condition("of_a_skill", Principal="alexa-appkit.amazon.com", EventSourceToken="amzn1.ask.skill.1"),
         {"StringEquals": {"lambda:EventSourceToken": "amzn1.ask.skill.1"}})  # fmt: skip
    same(condition("of_an_organization", Principal="*", PrincipalOrgID="o-1234567890"),
         {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}})  # fmt: skip
    same(condition("by_url", Principal="*", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE"),
         {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}})  # fmt: skip

with step("principals"):
    def principal(sid, who):
        return json.loads(add(sid, Principal=who)["Statement"])["Principal"]

    same(principal("an_account", ACCOUNT), {"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    same(principal("everybody", "*"), "*")
    same([statement["Principal"] for statement in policy()["Statement"] if statement["Sid"] == "everybody"], ["*"])
    with wrong("The provided principal was invalid. Please check the principal and try again."):
        add("nobody", Principal="apples")
    # A policy that could not be read would deny everything about the function to everybody.
    with refused("InvalidParameterValueException", 400, "The policy would be malformed: Statement[8].Principal"):
        add("nobody", Principal="arn:apples")
    same(aws.get_function(FunctionName="f")["Configuration"]["FunctionName"], "f")

with step("each_qualifier_has_its_policy"):
    with missing(GONE):
        aws.get_policy(FunctionName="f", Qualifier="live")
    same(json.loads(add("s3", Qualifier="live")["Statement"])["Resource"], arn("f", "live"))
    same(json.loads(add("s3", FunctionName="f:1")["Statement"])["Resource"], arn("f", "1"))
    for qualifier in ["live", "1"]:
        same([statement["Resource"] for statement in policy(Qualifier=qualifier)["Statement"]], [arn("f", qualifier)])
    with wrong("We currently do not support adding policies for $LATEST."):
        add("s3", Qualifier="$LATEST")
    with missing(f"Function not found: {arn('f', '9')}"):
        add("s3", Qualifier="9")
    with missing(f"Cannot find alias arn: {arn('f', 'nowhere')}"):
        add("s3", Qualifier="nowhere")

with step("statements_that_cannot_be"):
    with conflict("The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement."):
        add("s3")
    with invalid("Value 'a b' at 'statementId' failed to satisfy constraint: "
                 "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"):  # fmt: skip
        add("a b")
    with invalid("at 'statementId' failed to satisfy constraint: Member must have length less than or equal to 100"):
        add("a" * 101)
    with invalid("at 'action' failed to satisfy constraint: "
                 "Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])"):  # fmt: skip
        add("s3_2", Action="s3:GetObject")
    with missing(f"Function not found: {arn('nobody')}"):
        add("s3", FunctionName="nobody")
    with missing(f"Function not found: {arn('nobody')}"):
        aws.get_policy(FunctionName="nobody")

with step("revisions"):
    revision = aws.get_policy(FunctionName="f")["RevisionId"]
    matches(UUID, revision)
    assert revision != aws.get_function_configuration(FunctionName="f")["RevisionId"]
    with stale(STALE_POLICY):
        add("later", RevisionId=ANOTHER_REVISION)
    with stale("The Revision Id provided does not match the latest Revision Id. Call the Get"):
        aws.remove_permission(FunctionName="f", StatementId="s3", RevisionId=ANOTHER_REVISION)
    add("later", RevisionId=revision)
    assert aws.get_policy(FunctionName="f")["RevisionId"] != revision

with step("remove"):
    with missing("Statement nowhere is not found in resource policy."):
        aws.remove_permission(FunctionName="f", StatementId="nowhere")
    revision = aws.get_policy(FunctionName="f")["RevisionId"]
    same(status_of(aws.remove_permission(FunctionName="f", StatementId="s3", RevisionId=revision)), 204)
    assert "s3" not in [statement["Sid"] for statement in policy()["Statement"]]
    has(policy(Qualifier="live")["Statement"][0], Sid="s3")

with step("the_last_statement_takes_the_policy_with_it"):
    aws.remove_permission(FunctionName="f", StatementId="s3", Qualifier="live")
    with missing(GONE):
        aws.get_policy(FunctionName="f", Qualifier="live")

with step("more_than_twenty_kilobytes"):
    try:
        for n in range(200):
            add(f"filler-{n}", SourceArn="arn:aws:s3:::" + "a" * 200)
    except ClientError as error:
        same((error.response["Error"]["Code"], status_of(error.response)), ("PolicyLengthExceededException", 400))
        assert len(aws.get_policy(FunctionName="f")["Policy"]) <= 20_480
    else:
        raise AssertionError("200 statements were taken")
