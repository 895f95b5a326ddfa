"""How many calls at once: reserved and provisioned concurrency, and what the account has."""

import json

from aws import (
    DATE, arn, aws, careless, conflict, create, has, invalid, matches, missing, provisioned, python, refusal, refused, same, status_of,
    step, wrong,
)  # fmt: skip

CODE = python("""
import os

def lambda_handler(event, context):
    return os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
""")
FLOOR = (
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]."
)


def account():
    return aws.get_account_settings()


def reserve(n, name="f"):
    return aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=n)


def provision(qualifier, n):
    return aws.put_provisioned_concurrency_config(FunctionName="f", Qualifier=qualifier, ProvisionedConcurrentExecutions=n)


with step("account_without_functions"):
    settings = account()
    same(status_of(settings), 200)
    same(settings["AccountLimit"], {
        "TotalCodeSize": 80_530_636_800, "CodeSizeUnzipped": 262_144_000, "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000,
    })  # fmt: skip
    same(settings["AccountUsage"], {"TotalCodeSize": 0, "FunctionCount": 0})

create("f", CODE)
create("g", CODE)

with step("account_with_functions"):
    same(account()["AccountUsage"], {"TotalCodeSize": 2 * len(CODE), "FunctionCount": 2})

with step("nothing_is_reserved"):
    answer = aws.get_function_concurrency(FunctionName="f")
    same(status_of(answer), 200)
    assert "ReservedConcurrentExecutions" not in answer, answer

with step("reserve"):
    answer = reserve(100)
    same((status_of(answer), answer["ReservedConcurrentExecutions"]), (200, 100))
    same(aws.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"], 100)
    same(aws.get_function(FunctionName="f")["Concurrency"], {"ReservedConcurrentExecutions": 100})
    same(account()["AccountLimit"]["UnreservedConcurrentExecutions"], 900)

with step("a_hundred_stay_unreserved"):
    reserve(800, name="g")
    same(account()["AccountLimit"]["UnreservedConcurrentExecutions"], 100)
    for name, n in [("g", 801), ("f", 101)]:
        with wrong(FLOOR):
            reserve(n, name=name)
    assert "Type" not in refusal(aws.put_function_concurrency, FunctionName="f", ReservedConcurrentExecutions=101)
    same(aws.get_function_concurrency(FunctionName="g")["ReservedConcurrentExecutions"], 800)

with step("free_what_was_reserved"):
    same(status_of(aws.delete_function_concurrency(FunctionName="g")), 204)
    same(status_of(aws.delete_function_concurrency(FunctionName="g")), 204, "again")
    same(account()["AccountLimit"]["UnreservedConcurrentExecutions"], 900)
    with wrong(FLOOR):
        reserve(1000)
    reserve(900)
    reserve(100)

with step("reservations_that_cannot_be"):
    for name in ["f:1", "f:live", arn("f", "1")]:
        with wrong("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation."):
            reserve(1, name=name)
    with invalid("Value '-1' at 'reservedConcurrentExecutions' failed to satisfy constraint: "
                 "Member must have value greater than or equal to 0"):  # fmt: skip
        careless.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=-1)
    with missing(f"Function not found: {arn('nobody')}"):
        reserve(1, name="nobody")
    for call in [aws.get_function_concurrency, aws.delete_function_concurrency]:
        with missing(f"Function not found: {arn('nobody')}"):
            call(FunctionName="nobody")

with step("zero_throttles"):
    reserve(0)
    with refused("TooManyRequestsException", 429, "Rate Exceeded."):
        aws.invoke(FunctionName="f")
    answer = refusal(aws.invoke, FunctionName="f")
    same(answer["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded")
    same(status_of(aws.invoke(FunctionName="g")), 200)
    aws.delete_function_concurrency(FunctionName="f")
    same(json.loads(aws.invoke(FunctionName="f")["Payload"].read()), "on-demand")

aws.publish_version(FunctionName="f")
aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
aws.create_alias(FunctionName="f", Name="newest", FunctionVersion="$LATEST")
NONE = "No Provisioned Concurrency Config found for this function"

with step("nothing_is_provisioned"):
    with refused("ProvisionedConcurrencyConfigNotFoundException", 404, NONE):
        aws.get_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
    same(aws.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"], [])

with step("provision_a_version"):
    answer = provision("1", 2)
    same(status_of(answer), 202)
    has(answer, RequestedProvisionedConcurrentExecutions=2, AllocatedProvisionedConcurrentExecutions=0,
        AvailableProvisionedConcurrentExecutions=0, Status="IN_PROGRESS")  # fmt: skip
    matches(DATE, answer["LastModified"])
    provisioned("f", "1")
    got = aws.get_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
    has(got, RequestedProvisionedConcurrentExecutions=2, AllocatedProvisionedConcurrentExecutions=2,
        AvailableProvisionedConcurrentExecutions=2, Status="READY")  # fmt: skip

with step("a_provisioned_call"):
    same(json.loads(aws.invoke(FunctionName="f", Qualifier="1")["Payload"].read()), "provisioned-concurrency")
    same(json.loads(aws.invoke(FunctionName="f", Qualifier="live")["Payload"].read()), "provisioned-concurrency")
    same(json.loads(aws.invoke(FunctionName="f")["Payload"].read()), "on-demand")

with step("list_provisioned"):
    (listed,) = aws.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"]
    has(listed, FunctionArn=arn("f", "1"), RequestedProvisionedConcurrentExecutions=2, Status="READY")

with step("an_alias_of_a_provisioned_version"):
    with conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"):
        provision("live", 1)

with step("provision_an_alias"):
    same(status_of(aws.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")), 204)
    same(status_of(aws.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")), 204, "again")
    with refused("ProvisionedConcurrencyConfigNotFoundException", 404, NONE):
        aws.get_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
    provision("live", 2)
    provisioned("f", "live")
    same(json.loads(aws.invoke(FunctionName="f", Qualifier="live")["Payload"].read()), "provisioned-concurrency")
    (listed,) = aws.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"]
    same(listed["FunctionArn"], arn("f", "live"))
    with conflict("Version is pointed by a Provisioned Concurrency alias"):
        provision("1", 1)

with step("provisioned_within_what_is_reserved"):
    with wrong(" ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."):
        reserve(1)
    reserve(2)
    with wrong("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"):
        provision("live", 3)
    reserve(3)
    provision("live", 3)
    provisioned("f", "live")
    with refused("TooManyRequestsException", 429, "Rate Exceeded."):
        # All that is reserved is provisioned for the alias.
        aws.invoke(FunctionName="f")

with step("provisions_that_cannot_be"):
    with wrong("Provisioned Concurrency Configs cannot be applied to unpublished function versions."):
        provision("$LATEST", 1)
    for call in [aws.get_provisioned_concurrency_config, aws.delete_provisioned_concurrency_config]:
        with wrong("The function resource provided must be an alias or a published version."):
            call(FunctionName="f", Qualifier="$LATEST")
    with missing(f"Function not found: {arn('f', '9')}"):
        provision("9", 1)
    with missing(f"Cannot find alias arn: {arn('f', 'nowhere')}"):
        provision("nowhere", 1)
    with invalid("Value '0' at 'provisionedConcurrentExecutions' failed to satisfy constraint: "
                 "Member must have value greater than or equal to 1"):  # fmt: skip
        careless.put_provisioned_concurrency_config(FunctionName="f", Qualifier="1", ProvisionedConcurrentExecutions=0)
    with missing(f"Function not found: {arn('nobody')}"):
        aws.list_provisioned_concurrency_configs(FunctionName="nobody")

with step("the_alias_takes_its_provision_with_it"):
    aws.delete_alias(FunctionName="f", Name="live")
    same(aws.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"], [])
    aws.delete_function(FunctionName="f")
    same(account()["AccountLimit"]["UnreservedConcurrentExecutions"], 1000)
