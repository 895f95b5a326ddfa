"""What is refused, and with which words."""

import datetime
import json

from aws import (
    ACCOUNT, ANOTHER_REVISION, ROLE, UUID, arn, aws, careless, conflict, create, invalid, matches, missing, python, refusal, refused,
    request, same, stale, status_of, step, updated, wrong, zipped,
)  # fmt: skip

CODE = python("def lambda_handler(event, context):\n    return len(event) if isinstance(event, str) else 'x' * event['n']\n")
UNREADABLE = "Could not unzip uploaded file. Please check your file, then try to upload again."


def attempt(**more):
    """To create a function that could be, except for `more`."""
    return careless.create_function(**{**request("new", CODE), **more})


create("f", CODE, MemorySize=512, Timeout=60)

with step("unknown_function"):
    nobody = {"FunctionName": "nobody"}
    for call, more in [
        (aws.get_function, {}), (aws.get_function_configuration, {}), (aws.delete_function, {}), (aws.publish_version, {}),
        (aws.list_versions_by_function, {}), (aws.list_aliases, {}), (aws.update_function_configuration, {"Description": "new"}),
        (aws.update_function_code, {"ZipFile": CODE}),
    ]:  # fmt: skip
        with missing(f"Function not found: {arn('nobody')}"):
            call(**nobody, **more)
    with missing(f"Function not found: {arn('nobody')}:$LATEST"):
        aws.invoke(**nobody)
    with missing(f"Function not found: {arn('nobody', '7')}"):
        aws.get_function(**nobody, Qualifier="7")

with step("the_form_of_an_error"):
    answer = refusal(aws.get_function, **nobody)
    # `Message` for this one, and for most others `message`.
    same((answer["Type"], answer["Message"]), ("User", f"Function not found: {arn('nobody')}"))
    same(answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"], "ResourceNotFoundException")
    matches(UUID, answer["ResponseMetadata"]["RequestId"])
    answer = refusal(aws.create_function, **request("new", b"apples"))
    same((answer["Type"], answer["message"]), ("User", UNREADABLE))
    answer = refusal(aws.get_function, FunctionName="not a name")
    assert "Type" not in answer, answer

with step("twice_the_same_name"):
    with conflict("Function already exist: f"):
        aws.create_function(**request("f", CODE))

with step("runtimes"):
    for update in [False, True]:
        def choose(runtime):
            if update:
                return aws.update_function_configuration(FunctionName="f", Runtime=runtime)
            return attempt(Runtime=runtime)

        with wrong("Value python2.1 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["):
            choose("python2.1")
        with wrong("or be a valid ARN"):
            choose("python2.1")
        with wrong("The runtime parameter of nodejs14.x is no longer supported for creating or updating AWS Lambda functions."):
            choose("nodejs14.x")

with step("handlers"):
    with invalid(r"Value 'a handler' at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\s]+"):
        attempt(Handler="a handler")
    with invalid("at 'handler' failed to satisfy constraint: Member must have length less than or equal to 128"):
        attempt(Handler="a." + "b" * 127)
    for absent in ["Runtime", "Handler"]:
        said = request("new", CODE)
        del said[absent]
        with wrong("Runtime and Handler are mandatory parameters for functions created with deployment packages."):
            aws.create_function(**said)

with step("handlers_that_are_not_in_the_code"):
    for name, handler, kind, text in [
        ("no_module", "apples.handler", "Runtime.ImportModuleError", "Unable to import module 'apples': No module named 'apples'"),
        ("no_function", "lambda_function.apples", "Runtime.HandlerNotFound", "Handler 'apples' missing on module 'lambda_function'"),
    ]:
        create(name, CODE, Handler=handler)
        answer = aws.invoke(FunctionName=name, Payload=b'"abc"')
        same((answer["StatusCode"], answer.get("FunctionError")), (200, "Unhandled"))
        error = json.loads(answer["Payload"].read())
        same((error["errorType"], error["errorMessage"]), (kind, text))
        aws.delete_function(FunctionName=name)

with step("zips"):
    with wrong(UNREADABLE):
        aws.create_function(**request("new", b"apples"))
    with wrong(UNREADABLE):
        aws.create_function(**request("new", CODE[:-30]))
    with wrong(UNREADABLE):
        aws.update_function_code(FunctionName="f", ZipFile=b"apples")
    with wrong("Uploaded file must be a non-empty zip"):
        aws.create_function(**request("new", zipped({})))

with step("zips_that_lead_outside"):
    for name in ["../outside.py", "a/../../outside.py", "/etc/outside.py", "a\\..\\..\\outside.py"]:
        outside = zipped({"lambda_function.py": "def lambda_handler(event, context):\n    return 1\n", name: "x = 1\n"})
        with wrong(""):
            aws.create_function(**request("new", outside))
        with wrong(""):
            aws.update_function_code(FunctionName="f", ZipFile=outside)
    with missing(f"Function not found: {arn('new')}"):
        aws.get_function(FunctionName="new")

with step("roles"):
    pattern = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
    for role in ["lambda", f"arn:aws:iam::{ACCOUNT}:user/lambda"]:
        with invalid(f"1 validation error detected: Value '{role}' at 'role' failed to satisfy constraint: "
                     f"Member must satisfy regular expression pattern: {pattern}"):  # fmt: skip
            attempt(Role=role)

with step("names"):
    with wrong("at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"):
        attempt(FunctionName="a" * 65)
    with missing(f"Function not found: {arn('a' * 65)}"):
        aws.get_function(FunctionName="a" * 65)
    # Some operations take 256 characters by the model of the API, and 140 by what was recorded from AWS.
    for call, length in [(attempt, 140), (aws.update_function_configuration, 140), (aws.delete_function, 256), (aws.invoke, 256)]:
        with invalid("at 'functionName' failed to satisfy constraint: Member must have length less than or equal to "):
            call(FunctionName="a" * (length + 1))
        with invalid("Value 'not a name' at 'functionName' failed to satisfy constraint: "
                     "Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?"):  # fmt: skip
            call(FunctionName="not a name")
    create("a" * 64, CODE)
    aws.delete_function(FunctionName="a" * 64)

with step("two_errors_at_once"):
    with invalid("2 validation errors detected: Value '"):
        attempt(Handler="a handler", Role="lambda")

with step("other_accounts_and_regions"):
    elsewhere = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f"
    with missing("Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"):
        aws.get_function(FunctionName=elsewhere)
    foreign = "arn:aws:lambda:us-east-1:999999999999:function:f"
    for call in [attempt, aws.get_function]:
        with refused("AccessDeniedException", 403, ""):
            call(FunctionName=foreign)

with step("numbers"):
    def range_of(member, at, least, most):
        """The model's limits; the second may be above what functions are given."""
        with invalid(f"Value '{least - 1}' at '{at}' failed to satisfy constraint: Member must have value greater than or equal to {least}"):
            attempt(**{member: least - 1})
        with invalid(f"Value '{most + 1}' at '{at}' failed to satisfy constraint: Member must have value less than or equal to {most}"):
            attempt(**{member: most + 1})

    range_of("Timeout", "timeout", 1, 5400)
    range_of("MemorySize", "memorySize", 128, 32_768)
    with invalid("Value '511' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512"):
        attempt(EphemeralStorage={"Size": 511})
    for above in [{"Timeout": 1801}, {"MemorySize": 10_241}, {"EphemeralStorage": {"Size": 10_241}}]:
        same(status_of(refusal(attempt, **above)), 400)
    made = create("largest", CODE, Timeout=1800, MemorySize=10_240, EphemeralStorage={"Size": 10_240})
    same((made["Timeout"], made["MemorySize"], made["EphemeralStorage"]), (1800, 10_240, {"Size": 10_240}))
    aws.delete_function(FunctionName="largest")

with step("texts_and_enumerations"):
    with invalid("at 'description' failed to satisfy constraint: Member must have length less than or equal to 256"):
        attempt(Description="a" * 257)
    for more, at in [
        ({"PackageType": "Tar"}, "packageType"), ({"TracingConfig": {"Mode": "Often"}}, "tracingConfig.mode"),
        ({"SnapStart": {"ApplyOn": "Sometimes"}}, "snapStart.applyOn"), ({"LoggingConfig": {"LogFormat": "XML"}}, "loggingConfig.logFormat"),
    ]:  # fmt: skip
        with invalid(f"at '{at}' failed to satisfy constraint: Member must satisfy enum value set: ["):
            attempt(**more)
    with invalid("Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"):
        attempt(Architectures=["x86_64", "arm64"])
    with invalid("Value '[mips]' at 'architectures' failed to satisfy constraint: "
                 "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]"):  # fmt: skip
        attempt(Architectures=["mips"])

with step("environment"):
    def variables(size):
        """As compact JSON so many bytes."""
        return {"FRUIT": "a" * (size - len('{"FRUIT":""}'))}

    large = json.dumps(variables(4097), separators=(",", ":"))
    above = ("Lambda was unable to configure your environment variables because the environment variables you have provided "
             f"exceeded the 4KB limit. String measured: {large}")  # fmt: skip
    for call in [attempt, lambda **more: aws.update_function_configuration(FunctionName="f", **more)]:
        with wrong(above):
            call(Environment={"Variables": variables(4097)})
        for reserved in ["AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "AWS_SECRET_ACCESS_KEY", "LAMBDA_TASK_ROOT"]:
            with wrong("Lambda was unable to configure your environment variables because the environment variables you have "
                       "provided contains reserved keys that are currently not supported for modification. "
                       f"Reserved keys used in this request: {reserved}"):  # fmt: skip
                call(Environment={"Variables": {"FRUIT": "apple", reserved: "x"}})
        with invalid("Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+"):
            # So that `_HANDLER` is refused before it is looked up among the reserved keys.
            call(Environment={"Variables": {"1A": "x"}})
    for size in [4095, 4096]:
        aws.update_function_configuration(FunctionName="f", Environment={"Variables": variables(size)})
        updated("f")
    aws.update_function_configuration(FunctionName="f", Environment={"Variables": {"TZ": "UTC", "LANG": "C", "PYTHONPATH": "lib"}})
    updated("f")

with step("code_of_another_kind"):
    with wrong("Please don't provide ImageUri when updating a function with packageType Zip."):
        aws.update_function_code(FunctionName="f", ImageUri=f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/apples:1")

with step("what_is_not_supported_is_refused_by_name"):
    for member, said in [("DurableConfig", {"ExecutionTimeout": 60}), ("TenancyConfig", {"TenantIsolationMode": "PER_TENANT"})]:
        answer = refusal(attempt, **{member: said})
        same(status_of(answer), 400)
        assert member.lower() in answer["Error"]["Message"].lower(), answer

with step("revisions"):
    with stale():
        aws.update_function_code(FunctionName="f", ZipFile=CODE, RevisionId=ANOTHER_REVISION)
    with stale():
        aws.update_function_configuration(FunctionName="f", Description="new", RevisionId=ANOTHER_REVISION)
    same(aws.get_function_configuration(FunctionName="f")["Description"], "")

with step("lists"):
    with invalid("Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1"):
        careless.list_functions(MaxItems=0)
    with invalid("Value '10001' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 10000"):
        aws.list_functions(MaxItems=10_001)
    with invalid("Value 'SOME' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]"):
        aws.list_functions(FunctionVersion="SOME")

with step("invocation_types"):
    with invalid("Value 'Later' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: ["):
        aws.invoke(FunctionName="f", InvocationType="Later")

with step("requests_of_six_megabytes"):
    for size in [6_291_455, 6_291_456]:
        answer = aws.invoke(FunctionName="f", Payload='"' + "a" * (size - 2) + '"')
        same((answer["Payload"].read(), answer.get("FunctionError")), (str(size - 2).encode(), None))
    with refused("RequestEntityTooLargeException", 413, "Request must be smaller than 6291456 bytes for the InvokeFunction operation"):
        aws.invoke(FunctionName="f", Payload='"' + "a" * (6_291_457 - 2) + '"')

with step("replies_of_six_megabytes"):
    for size in [6_291_555, 6_291_556]:
        answer = aws.invoke(FunctionName="f", Payload=json.dumps({"n": size - 2}))
        same((len(answer["Payload"].read()), answer.get("FunctionError")), (size, None))
    answer = aws.invoke(FunctionName="f", Payload=json.dumps({"n": 6_291_557 - 2}))
    same((answer["StatusCode"], answer["FunctionError"]), (200, "Unhandled"))
    same(json.loads(answer["Payload"].read()), {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    })  # fmt: skip

with step("operations_that_are_not_there"):
    same(status_of(refusal(aws.list_capacity_providers)), 404)
    same(status_of(refusal(
        aws.list_durable_executions_by_function, FunctionName="f", StartedAfter=datetime.datetime(2026, 1, 1)
    )), 404)  # fmt: skip

with step("nothing_was_made_of_it"):
    same([function["FunctionName"] for function in aws.list_functions()["Functions"]], ["f"])
    same(aws.get_function_configuration(FunctionName="f")["Role"], ROLE)
