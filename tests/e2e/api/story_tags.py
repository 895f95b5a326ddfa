"""Tags of functions."""

from aws import arn, aws, create, missing, python, refused, request, same, status_of, step, wrong

CODE = python("def lambda_handler(event, context):\n    return 1\n")
TOO_MANY = "Number of tags exceeds resource tag limit."
ONLY_FUNCTIONS = "Tags on function aliases and versions are not supported. Please specify a function ARN."


def tags(name="f"):
    return aws.list_tags(Resource=arn(name))["Tags"]


create("f", CODE)
create("tagged", CODE, Tags={"team": "fruit"})

with step("created_with_tags"):
    same(tags("tagged"), {"team": "fruit"})
    same(aws.get_function(FunctionName="tagged")["Tags"], {"team": "fruit"})

with step("no_tags"):
    same(tags(), {})
    assert "Tags" not in aws.get_function(FunctionName="f")

with step("tag"):
    answer = aws.tag_resource(Resource=arn("f"), Tags={"team": "fruit", "a key of: more/parts=1": ""})
    same(status_of(answer), 204)
    same(tags(), {"team": "fruit", "a key of: more/parts=1": ""})
    aws.tag_resource(Resource=arn("f"), Tags={"team": "vegetables", "stage": "test"})
    same(tags(), {"team": "vegetables", "a key of: more/parts=1": "", "stage": "test"})
    same(aws.get_function(FunctionName="f")["Tags"], tags())

with step("untag"):
    same(status_of(aws.untag_resource(Resource=arn("f"), TagKeys=["a key of: more/parts=1", "team"])), 204)
    same(tags(), {"stage": "test"})
    aws.untag_resource(Resource=arn("f"), TagKeys=["nothing"])
    same(tags(), {"stage": "test"})

with step("fifty"):
    aws.tag_resource(Resource=arn("f"), Tags={f"tag-{n}": "" for n in range(49)})
    same(len(tags()), 50)
    aws.tag_resource(Resource=arn("f"), Tags={"stage": "again"})
    with wrong(TOO_MANY):
        aws.tag_resource(Resource=arn("f"), Tags={"one-more": ""})
    same((len(tags()), tags()["stage"]), (50, "again"))
    with wrong(TOO_MANY):
        aws.create_function(**request("new", CODE, Tags={f"tag-{n}": "" for n in range(51)}))
    with missing(f"Function not found: {arn('new')}"):
        aws.get_function(FunctionName="new")

with step("only_functions_have_tags"):
    aws.publish_version(FunctionName="f")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    for qualifier in ["1", "live", "$LATEST"]:
        for call, more in [(aws.tag_resource, {"Tags": {"a": "b"}}), (aws.list_tags, {}), (aws.untag_resource, {"TagKeys": ["a"]})]:
            with wrong(ONLY_FUNCTIONS):
                call(Resource=arn("f", qualifier), **more)

with step("resources_that_are_not_there"):
    for call, more in [(aws.tag_resource, {"Tags": {"a": "b"}}), (aws.list_tags, {}), (aws.untag_resource, {"TagKeys": ["a"]})]:
        with missing(f"Function not found: {arn('nobody')}"):
            call(Resource=arn("nobody"), **more)
    with refused("ValidationException", 400, "at 'resource' failed to satisfy constraint: Member must satisfy regular expression pattern: "):
        aws.list_tags(Resource="apples")

with step("the_next_of_the_name_has_none"):
    aws.delete_function(FunctionName="f")
    create("f", CODE)
    same(tags(), {})
