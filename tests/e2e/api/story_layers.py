"""Layers: published, numbered, used by functions, deleted."""

import base64
import hashlib
import json
import urllib.request

from aws import (
    DATE, GONE, active, arn, aws, careless, create, has, invalid, layer_arn, matches, missing, python, request, same, status_of, step,
    updated, wrong, zipped,
)  # fmt: skip

FIRST = zipped({"python/greeting.py": 'TEXT = "first"\n', "data.txt": "first", "only.txt": "first"})
SECOND = zipped({"python/greeting.py": 'TEXT = "second"\n', "data.txt": "second"})
CODE = python("""
import greeting, os

def lambda_handler(event, context):
    read = lambda name: open("/opt/" + name).read() if os.path.exists("/opt/" + name) else None
    return [greeting.TEXT, read("data.txt"), read("only.txt")]
""")


def publish(name, code, **more):
    return aws.publish_layer_version(LayerName=name, Content={"ZipFile": code}, **more)


def invoke(name="f"):
    answer = aws.invoke(FunctionName=name, Payload=b"{}")
    told = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    return told


def use(*layers):
    changed = aws.update_function_configuration(FunctionName="f", Layers=list(layers))
    updated("f")
    return changed


with step("no_layers"):
    same(aws.list_layers()["Layers"], [])
    same(aws.list_layer_versions(LayerName="greetings")["LayerVersions"], [])

with step("publish"):
    layer = publish("greetings", FIRST, Description="how to greet", CompatibleRuntimes=["python3.14"],
                    CompatibleArchitectures=["x86_64"], LicenseInfo="MIT")  # fmt: skip
    same(status_of(layer), 201)
    has(
        layer, LayerArn=layer_arn("greetings"), LayerVersionArn=layer_arn("greetings", 1), Version=1, Description="how to greet",
        CompatibleRuntimes=["python3.14"], CompatibleArchitectures=["x86_64"], LicenseInfo="MIT",
    )  # fmt: skip
    has(layer["Content"], CodeSize=len(FIRST), CodeSha256=base64.b64encode(hashlib.sha256(FIRST).digest()).decode())
    matches(DATE, layer["CreatedDate"])

with step("get"):
    for got in [
        aws.get_layer_version(LayerName="greetings", VersionNumber=1),
        aws.get_layer_version(LayerName=layer_arn("greetings"), VersionNumber=1),
        aws.get_layer_version_by_arn(Arn=layer_arn("greetings", 1)),
    ]:
        same(status_of(got), 200)
        has(got, LayerVersionArn=layer_arn("greetings", 1), Version=1, Description="how to greet", LicenseInfo="MIT",
            CreatedDate=layer["CreatedDate"])  # fmt: skip
        same(got["Content"]["CodeSha256"], layer["Content"]["CodeSha256"])

with step("content_is_downloaded"):
    location = aws.get_layer_version(LayerName="greetings", VersionNumber=1)["Content"]["Location"]
    with urllib.request.urlopen(location, timeout=60) as answer:
        same(answer.read() == FIRST, True, "the zip as it was uploaded")

with step("the_same_again_is_another_version"):
    has(publish("greetings", FIRST), Version=2, Description="")
    has(publish("greetings", SECOND), Version=3, LayerVersionArn=layer_arn("greetings", 3))

with step("list"):
    publish("others", SECOND, CompatibleRuntimes=["nodejs24.x"])
    same({(layer["LayerName"], layer["LayerArn"], layer["LatestMatchingVersion"]["Version"]) for layer in aws.list_layers()["Layers"]},
         {("greetings", layer_arn("greetings"), 3), ("others", layer_arn("others"), 1)})  # fmt: skip
    listed = aws.list_layer_versions(LayerName="greetings")["LayerVersions"]
    same([version["Version"] for version in listed], [3, 2, 1])
    assert all("Content" not in version for version in listed), listed
    pages = aws.get_paginator("list_layer_versions").paginate(LayerName="greetings", PaginationConfig={"PageSize": 1})
    same([version["Version"] for page in pages for version in page["LayerVersions"]], [3, 2, 1])
    pages = aws.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 1})
    same(sorted(layer["LayerName"] for page in pages for layer in page["Layers"]), ["greetings", "others"])

with step("list_for_a_runtime"):
    same([layer["LayerName"] for layer in aws.list_layers(CompatibleRuntime="nodejs24.x")["Layers"]], ["others"])
    listed = aws.list_layer_versions(LayerName="greetings", CompatibleRuntime="python3.14")["LayerVersions"]
    same([version["Version"] for version in listed], [1])

with step("a_function_with_a_layer"):
    made = create("f", CODE, Layers=[layer_arn("greetings", 1)])
    same(made["Layers"], [{"Arn": layer_arn("greetings", 1), "CodeSize": len(FIRST)}])
    same(invoke(), ["first", "first", "first"])

with step("the_later_layer_wins"):
    changed = use(layer_arn("greetings", 1), layer_arn("others", 1))
    same([layer["Arn"] for layer in changed["Layers"]], [layer_arn("greetings", 1), layer_arn("others", 1)])
    same(invoke(), ["second", "second", "first"])
    use(layer_arn("others", 1), layer_arn("greetings", 1))
    same(invoke(), ["first", "first", "first"])

with step("a_published_version_keeps_its_layers"):
    aws.publish_version(FunctionName="f")
    use(layer_arn("greetings", 3))
    same(invoke(), ["second", "second", None])
    same(invoke("f:1"), ["first", "first", "first"])

with step("no_layers_any_more"):
    assert "Layers" not in use(), "layers are left"
    answer = aws.invoke(FunctionName="f", Payload=b"{}")
    same(answer["FunctionError"], "Unhandled")
    same(json.loads(answer["Payload"].read())["errorType"], "Runtime.ImportModuleError")

with step("javascript"):
    publish("words", zipped({"nodejs/node_modules/words/index.js": 'exports.text = "from a layer";\n'}))
    source = 'const words = require("words");\nexports.handler = async () => words.text;\n'
    made = request("g", zipped({"index.js": source}), Runtime="nodejs24.x", Handler="index.handler", Layers=[layer_arn("words", 1)])
    aws.create_function(**made)
    active("g")
    same(invoke("g"), "from a layer")

with step("layers_that_cannot_be_used"):
    use(layer_arn("greetings", 1))
    for call in [
        lambda layers: aws.update_function_configuration(FunctionName="f", Layers=layers),
        lambda layers: aws.create_function(**request("new", CODE, Layers=layers)),
    ]:
        with wrong("Cannot reference more than 5 layers."):
            call([layer_arn(f"layer-{n}", 1) for n in range(6)])
        for missed in [layer_arn("greetings", 9), layer_arn("nothing", 1)]:
            with wrong(f"Layer version {missed} does not exist."):
                call([missed])
        first, third = layer_arn("greetings", 1), layer_arn("greetings", 3)
        with wrong("Two different versions of the same layer are not allowed to be referenced in the same function. "
                   f"{first} and {third} are versions of the same layer."):  # fmt: skip
            call([first, third])
    same(invoke(), ["first", "first", "first"])
    with missing(f"Function not found: {arn('new')}"):
        aws.get_function(FunctionName="new")

with step("layers_that_cannot_be"):
    with wrong("Could not unzip uploaded file. Please check your file, then try to upload again."):
        publish("broken", b"apples")
    with wrong(""):
        publish("broken", zipped({"../outside.txt": "x"}))
    with invalid("at 'layerName' failed to satisfy constraint: "):
        publish("not a name", FIRST)
    with invalid("at 'compatibleRuntimes' failed to satisfy constraint: "):
        publish("broken", FIRST, CompatibleRuntimes=["apples"])
    with invalid("at 'description' failed to satisfy constraint: Member must have length less than or equal to 256"):
        publish("broken", FIRST, Description="a" * 257)
    same(aws.list_layer_versions(LayerName="broken")["LayerVersions"], [])

with step("layers_that_are_not_there"):
    for name, number in [("greetings", 9), ("nothing", 1)]:
        with missing(GONE):
            aws.get_layer_version(LayerName=name, VersionNumber=number)
    with missing(GONE):
        aws.get_layer_version_by_arn(Arn=layer_arn("greetings", 9))
    for call in [careless.get_layer_version, careless.delete_layer_version]:
        with wrong("Layer Version Cannot be less than 1"):
            call(LayerName="greetings", VersionNumber=0)

with step("delete"):
    same(status_of(aws.delete_layer_version(LayerName="greetings", VersionNumber=3)), 204)
    same(status_of(aws.delete_layer_version(LayerName="greetings", VersionNumber=3)), 204, "again")
    same(status_of(aws.delete_layer_version(LayerName="nothing", VersionNumber=1)), 204)
    with missing(GONE):
        aws.get_layer_version(LayerName="greetings", VersionNumber=3)
    same([version["Version"] for version in aws.list_layer_versions(LayerName="greetings")["LayerVersions"]], [2, 1])

with step("numbers_are_not_used_again"):
    same(publish("greetings", SECOND)["Version"], 4)

with step("functions_keep_a_deleted_layer"):
    aws.delete_layer_version(LayerName="greetings", VersionNumber=1)
    same(invoke(), ["first", "first", "first"])
    same([layer["Arn"] for layer in aws.get_function_configuration(FunctionName="f")["Layers"]], [layer_arn("greetings", 1)])
