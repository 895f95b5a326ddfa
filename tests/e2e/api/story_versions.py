"""Versions stay as they were published; aliases point to them, with weights."""

import json

from aws import (
    ANOTHER_REVISION, UUID, WAIT, arn, aws, careless, conflict, create, has, invalid, matches, missing, python, same, stale, status_of, step,
    updated, wrong,
)  # fmt: skip


def code(text):
    return python(f'''
def lambda_handler(event, context):
    return ["{text}", context.function_version, context.invoked_function_arn]
''')


def invoke(name="f", **more):
    """What it returned, and the version that ran."""
    answer = aws.invoke(FunctionName=name, **more)
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(answer["Payload"].read()), answer["ExecutedVersion"]


def published(qualifier):
    aws.get_waiter("published_version_active").wait(FunctionName="f", Qualifier=qualifier, WaiterConfig=WAIT)


def configuration(**more):
    return aws.get_function_configuration(FunctionName="f", **more)


create("f", code("one"), Description="of the function")

with step("publish"):
    before = configuration()
    version = aws.publish_version(FunctionName="f", Description="first")
    same(status_of(version), 201)
    has(version, Version="1", FunctionArn=arn("f", "1"), FunctionName="f", Description="first", CodeSha256=before["CodeSha256"])
    published("1")
    has(configuration(Qualifier="1"), Version="1", FunctionArn=arn("f", "1"), Description="first", State="Active")
    has(configuration(), Version="$LATEST", Description="of the function")

with step("publishing_gives_the_function_a_new_revision_and_the_version_its_own"):
    assert configuration()["RevisionId"] != before["RevisionId"]
    assert configuration(Qualifier="1")["RevisionId"] != configuration()["RevisionId"]

with step("publish_what_has_not_changed"):
    has(aws.publish_version(FunctionName="f", Description="again"), Version="1", Description="first")

with step("publish_expecting_other_code"):
    sha = configuration()["CodeSha256"]
    with wrong(f"CodeSHA256 (apples) is different from current CodeSHA256 in $LATEST ({sha}). "
               "Please try again with the CodeSHA256 in $LATEST."):  # fmt: skip
        aws.publish_version(FunctionName="f", CodeSha256="apples")
    with stale():
        aws.publish_version(FunctionName="f", RevisionId=ANOTHER_REVISION)
    aws.publish_version(FunctionName="f", CodeSha256=sha, RevisionId=configuration()["RevisionId"])

with step("publish_with_the_code"):
    version = aws.update_function_code(FunctionName="f", ZipFile=code("two"), Publish=True)
    has(version, Version="2", FunctionArn=arn("f", "2"))
    updated("f")
    published("2")

with step("each_version_runs_its_code"):
    same(invoke(Qualifier="1"), (["one", "1", arn("f", "1")], "1"))
    same(invoke(name="f:1"), (["one", "1", arn("f", "1")], "1"))
    same(invoke(name=arn("f", "2")), (["two", "2", arn("f", "2")], "2"))
    same(invoke(), (["two", "$LATEST", arn("f")], "$LATEST"))
    same(invoke(Qualifier="$LATEST"), (["two", "$LATEST", arn("f", "$LATEST")], "$LATEST"))

with step("publish_with_another_configuration"):
    aws.update_function_configuration(FunctionName="f", MemorySize=192)
    updated("f")
    has(aws.publish_version(FunctionName="f"), Version="3", MemorySize=192, Description="of the function")
    published("3")
    same(configuration(Qualifier="2")["MemorySize"], 128)

with step("list_versions"):
    versions = aws.list_versions_by_function(FunctionName="f")["Versions"]
    same([version["Version"] for version in versions], ["$LATEST", "1", "2", "3"])
    same([version["FunctionArn"] for version in versions], [arn("f", version["Version"]) for version in versions])
    pages = aws.get_paginator("list_versions_by_function").paginate(FunctionName="f", PaginationConfig={"PageSize": 1})
    same([version["Version"] for page in pages for version in page["Versions"]], ["$LATEST", "1", "2", "3"])

with step("versions_that_are_not_there"):
    for call in [aws.get_function, aws.get_function_configuration, aws.invoke]:
        with missing(f"Function not found: {arn('f', '9')}"):
            call(FunctionName="f", Qualifier="9")
        with missing(f"Function not found: {arn('f', 'nowhere')}"):
            call(FunctionName="f", Qualifier="nowhere")

with step("qualifiers_that_differ"):
    for call in [aws.get_function, aws.get_function_configuration, aws.invoke, aws.delete_function]:
        with wrong("The derived qualifier from the function name does not match the specified qualifier."):
            call(FunctionName="f:1", Qualifier="2")

with step("create_alias"):
    before = configuration()["RevisionId"]
    alias = aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    same(status_of(alias), 201)
    has(alias, AliasArn=arn("f", "live"), Name="live", FunctionVersion="1", Description="")
    matches(UUID, alias["RevisionId"])
    assert "RoutingConfig" not in alias, alias
    same({**aws.get_alias(FunctionName="f", Name="live"), "ResponseMetadata": None}, {**alias, "ResponseMetadata": None})
    same(configuration()["RevisionId"], before, "the function's revision")

with step("invoke_through_an_alias"):
    same(invoke(Qualifier="live"), (["one", "1", arn("f", "live")], "1"))
    same(invoke(name="f:live"), (["one", "1", arn("f", "live")], "1"))
    same(invoke(name=arn("f", "live")), (["one", "1", arn("f", "live")], "1"))
    got = aws.get_function(FunctionName="f", Qualifier="live")["Configuration"]
    has(got, Version="1", FunctionArn=arn("f", "live"), Description="first")

with step("move_an_alias"):
    moved = aws.update_alias(FunctionName="f", Name="live", FunctionVersion="2", Description="what visitors get")
    has(moved, FunctionVersion="2", Description="what visitors get", AliasArn=arn("f", "live"))
    assert moved["RevisionId"] != alias["RevisionId"]
    same(invoke(Qualifier="live")[1], "2")
    with stale():
        aws.update_alias(FunctionName="f", Name="live", FunctionVersion="1", RevisionId=alias["RevisionId"])
    has(aws.update_alias(FunctionName="f", Name="live", FunctionVersion="1", RevisionId=moved["RevisionId"]), FunctionVersion="1",
        Description="what visitors get")  # fmt: skip

with step("aliases_that_cannot_be"):
    with conflict(f"Alias already exists: {arn('f', 'live')}"):
        aws.create_alias(FunctionName="f", Name="live", FunctionVersion="2")
    with missing(f"Function not found: {arn('f', '9')}"):
        aws.create_alias(FunctionName="f", Name="new", FunctionVersion="9")
    with missing(f"Function not found: {arn('f', '9')}"):
        aws.update_alias(FunctionName="f", Name="live", FunctionVersion="9")
    with missing(f"Cannot find alias arn: {arn('f', 'nowhere')}"):
        aws.get_alias(FunctionName="f", Name="nowhere")
    with missing(f"Alias not found: {arn('f', 'nowhere')}"):
        aws.update_alias(FunctionName="f", Name="nowhere", FunctionVersion="1")
    with invalid("Value '7' at 'name' failed to satisfy constraint: "
                 "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"):  # fmt: skip
        aws.create_alias(FunctionName="f", Name="7", FunctionVersion="1")
    with invalid("at 'name' failed to satisfy constraint: Member must have length less than or equal to 128"):
        aws.create_alias(FunctionName="f", Name="a" * 129, FunctionVersion="1")
    with missing(f"Function not found: {arn('nobody')}"):
        aws.create_alias(FunctionName="nobody", Name="live", FunctionVersion="1")


def weigh(weights, name="live"):
    return careless.update_alias(FunctionName="f", Name=name, RoutingConfig={"AdditionalVersionWeights": weights})


with step("all_or_nothing_to_the_other_version"):
    same(weigh({"2": 1.0})["RoutingConfig"], {"AdditionalVersionWeights": {"2": 1.0}})
    same({invoke(Qualifier="live")[1] for _ in range(16)}, {"2"})
    same(weigh({"2": 0.0})["RoutingConfig"], {"AdditionalVersionWeights": {"2": 0.0}})
    same({invoke(Qualifier="live")[1] for _ in range(16)}, {"1"})

with step("half_to_the_other_version"):
    weigh({"2": 0.5})
    # That one of them does not come happens once in 2^99 runs.
    answers = [invoke(Qualifier="live") for _ in range(100)]
    same({version for _, version in answers}, {"1", "2"})
    assert all(said == [{"1": "one", "2": "two"}[version], version, arn("f", "live")] for said, version in answers), answers

with step("weights_are_cleared"):
    assert "RoutingConfig" not in weigh({})
    assert "RoutingConfig" not in aws.get_alias(FunctionName="f", Name="live")
    same({invoke(Qualifier="live")[1] for _ in range(16)}, {"1"})

with step("weights_that_cannot_be"):
    with wrong("Number of items in AdditionalVersionWeights cannot be greater than 1"):
        weigh({"2": 0.1, "3": 0.1})
    with invalid("Member must satisfy regular expression pattern: [0-9]+"):
        weigh({"two": 0.1})
    for weight in [1.5, -0.5]:
        with invalid("at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: "):
            weigh({"2": weight})
    with wrong("Invalid function version 1. Function version 1 is already included in routing configuration."):
        weigh({"1": 0.1})
    with missing(f"Function not found: {arn('f', '9')}"):
        weigh({"9": 0.1})
    with wrong("$LATEST is not supported for an alias pointing to more than 1 version"):
        aws.create_alias(FunctionName="f", Name="newest", FunctionVersion="$LATEST",
                         RoutingConfig={"AdditionalVersionWeights": {"1": 0.1}})  # fmt: skip

with step("alias_of_latest"):
    aws.create_alias(FunctionName="f", Name="newest", FunctionVersion="$LATEST")
    same(invoke(Qualifier="newest"), (["two", "$LATEST", arn("f", "newest")], "$LATEST"))

with step("list_aliases"):
    same({alias["Name"] for alias in aws.list_aliases(FunctionName="f")["Aliases"]}, {"live", "newest"})
    same([alias["Name"] for alias in aws.list_aliases(FunctionName="f", FunctionVersion="1")["Aliases"]], ["live"])
    pages = aws.get_paginator("list_aliases").paginate(FunctionName="f", PaginationConfig={"PageSize": 1})
    same(sorted(alias["Name"] for page in pages for alias in page["Aliases"]), ["live", "newest"])

with step("delete_alias"):
    same(status_of(aws.delete_alias(FunctionName="f", Name="newest")), 204)
    same(status_of(aws.delete_alias(FunctionName="f", Name="newest")), 204, "again")
    with missing(f"Cannot find alias arn: {arn('f', 'newest')}"):
        aws.get_alias(FunctionName="f", Name="newest")

with step("delete_version"):
    with wrong("$LATEST version cannot be deleted without deleting the function."):
        aws.delete_function(FunctionName="f", Qualifier="$LATEST")
    with conflict("Unable to delete version because the following aliases reference it: [live]"):
        aws.delete_function(FunctionName="f", Qualifier="1")
    same(status_of(aws.delete_function(FunctionName="f", Qualifier="3")), 204)
    with missing(f"Function not found: {arn('f', '3')}"):
        aws.get_function(FunctionName="f", Qualifier="3")
    same([version["Version"] for version in aws.list_versions_by_function(FunctionName="f")["Versions"]], ["$LATEST", "1", "2"])

with step("numbers_are_not_used_again"):
    aws.update_function_configuration(FunctionName="f", MemorySize=256)
    updated("f")
    same(aws.publish_version(FunctionName="f")["Version"], "4")

with step("the_function_takes_its_versions_and_aliases_with_it"):
    same(status_of(aws.delete_function(FunctionName="f")), 204)
    for qualifier in ["1", "live"]:
        with missing(f"Function not found: {arn('f', qualifier)}"):
            aws.get_function(FunctionName="f", Qualifier=qualifier)
    for call in [aws.list_versions_by_function, aws.list_aliases, aws.publish_version]:
        with missing(f"Function not found: {arn('f')}"):
            call(FunctionName="f")
