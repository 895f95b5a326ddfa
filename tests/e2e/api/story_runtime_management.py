"""When a version gets another build of its runtime."""

from aws import arn, aws, careless, create, has, invalid, missing, python, same, status_of, step, wrong

create("f", python("def lambda_handler(event, context):\n    return 1\n"))
BUILD = aws.get_function_configuration(FunctionName="f")["RuntimeVersionConfig"]["RuntimeVersionArn"]
OTHER = "arn:aws:lambda:us-east-1::runtime:" + "0" * 64


def put(mode, **more):
    return aws.put_runtime_management_config(FunctionName="f", UpdateRuntimeOn=mode, **more)


def mode(name="f", **more):
    got = aws.get_runtime_management_config(FunctionName=name, **more)
    return got["UpdateRuntimeOn"], got.get("RuntimeVersionArn")


with step("at_first_it_is_automatic"):
    got = aws.get_runtime_management_config(FunctionName="f")
    has(got, UpdateRuntimeOn="Auto", FunctionArn=arn("f"))
    assert "RuntimeVersionArn" not in got, got

with step("put"):
    answer = put("Manual", RuntimeVersionArn=BUILD)
    same(status_of(answer), 200)
    has(answer, UpdateRuntimeOn="Manual", RuntimeVersionArn=BUILD, FunctionArn=arn("f"))
    same(mode(), ("Manual", BUILD))
    has(put("FunctionUpdate"), UpdateRuntimeOn="FunctionUpdate")
    same(mode(), ("FunctionUpdate", None))

with step("each_version_has_its_own"):
    put("Manual", RuntimeVersionArn=BUILD)
    same(aws.publish_version(FunctionName="f")["Version"], "1")
    has(put("Auto", Qualifier="$LATEST"), FunctionArn=arn("f", "$LATEST"))
    same((mode(), mode(Qualifier="1"), mode("f:1")), (("Auto", None), ("Manual", BUILD), ("Manual", BUILD)))
    same(aws.get_runtime_management_config(FunctionName="f", Qualifier="1")["FunctionArn"], arn("f", "1"))

with step("what_cannot_be"):
    with wrong(f"The runtime version {OTHER} is not available: here is {BUILD}."):
        put("Manual", RuntimeVersionArn=OTHER)
    with wrong("RuntimeVersionArn is required when UpdateRuntimeOn is Manual."):
        put("Manual")
    with wrong("RuntimeVersionArn can be specified only when UpdateRuntimeOn is Manual."):
        put("Auto", RuntimeVersionArn=BUILD)
    with invalid("at 'updateRuntimeOn' failed to satisfy constraint: Member must satisfy enum value set: [Auto, Manual, FunctionUpdate]"):
        careless.put_runtime_management_config(FunctionName="f", UpdateRuntimeOn="Never")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    with wrong("name $LATEST or a number, not an alias."):
        mode(Qualifier="live")
    for name, more in [("f", {"Qualifier": "9"}), ("nobody", {})]:
        with missing("Function not found: " + arn(name, more.get("Qualifier"))):
            mode(name, **more)
    same(mode(), ("Auto", None))
