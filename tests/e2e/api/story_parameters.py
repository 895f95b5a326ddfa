"""Parameter Store: values, versions, labels, hierarchies, filters, tags."""

import base64

from aws import ACCOUNT, client, has, invalid, refusal, refused, same, status_of, step

ssm = client("ssm")


def arn(path):
    return f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{path}"


def missing(name):
    return refused("ParameterNotFound", 400, f"Parameter {name} not found.")


def value(name, **more):
    return ssm.get_parameter(Name=name, **more)["Parameter"]["Value"]


def put(name, text, kind="String", **more):
    return ssm.put_parameter(Name=name, Value=text, Type=kind, **more)


def names(answer):
    return [parameter["Name"] for parameter in answer["Parameters"]]


def filtered(key, *values, option=None):
    one = {"Key": key, "Values": list(values), **({"Option": option} if option else {})}
    return names(ssm.describe_parameters(ParameterFilters=[one]))


with step("put_and_get"):
    has(put("/app/url", "http://one", Description="where it is"), Version=1, Tier="Standard")
    found = ssm.get_parameter(Name="/app/url")["Parameter"]
    has(found, Name="/app/url", Type="String", Value="http://one", Version=1, ARN=arn("/app/url"), DataType="text")
    same(value(arn("/app/url")), "http://one")
    with missing("/app/none"):
        value("/app/none")

with step("overwrite"):
    with refused(
        "ParameterAlreadyExists", 400,
        "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
    ):  # fmt: skip
        put("/app/url", "http://two")
    same(ssm.put_parameter(Name="/app/url", Value="http://two", Overwrite=True)["Version"], 2)
    same((value("/app/url"), value("/app/url:1"), value("/app/url:2")), ("http://two", "http://one", "http://two"))
    same(ssm.get_parameter(Name="/app/url:1")["Parameter"]["Selector"], ":1")
    with refused(
        "ParameterVersionNotFound", 400,
        "Systems Manager could not find version 3 of /app/url. Verify the version and try again.",
    ):  # fmt: skip
        value("/app/url:3")
    with invalid("Invalid request: tags and overwrite can't be used together."):
        put("/app/url", "x", Overwrite=True, Tags=[{"Key": "a", "Value": "b"}])
    with refused("HierarchyTypeMismatchException", 400, "does not support changing a parameter type"):
        put("/app/url", "x", "SecureString", Overwrite=True)

with step("names"):
    put("plain", "x")
    same((value("plain"), value("/plain"), value(arn("/plain"))), ("x", "x", "x"))
    with invalid("Parameter name must be a fully qualified name."):
        put("a/b", "x")
    with invalid('Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).'):
        put("awsome", "x")
    with refused("AccessDeniedException", 400, "No access to reserved parameter name: /aws/x."):
        put("/aws/x", "x")
    put("/l" * 15, "x")
    with refused("HierarchyLevelLimitExceededException", 400, "15 levels"):
        put("/l" * 16, "x")
    with invalid("A parameter type is required when you create a parameter."):
        ssm.put_parameter(Name="typeless", Value="x")

with step("sizes"):
    put("large", "x" * 4_096)
    with invalid("Standard tier parameters support a maximum parameter value of 4096 characters."):
        put("larger", "x" * 4_097)
    has(put("larger", "x" * 8_192, Tier="Advanced"), Tier="Advanced")
    with invalid("Advanced tier parameters support a maximum parameter value of 8192 characters."):
        put("largest", "x" * 8_193, Tier="Advanced")
    has(put("fitting", "x" * 4_097, Tier="Intelligent-Tiering"), Tier="Advanced")
    ssm.delete_parameters(Names=["large", "larger", "fitting", "/l" * 15])

with step("secure_strings"):
    put("/app/key", "a secret", "SecureString")
    same(value("/app/key", WithDecryption=True), "a secret")
    sealed = value("/app/key")
    assert b"a secret" not in base64.b64decode(sealed, validate=True), sealed
    has(ssm.describe_parameters(ParameterFilters=[{"Key": "Type", "Values": ["SecureString"]}])["Parameters"][0], KeyId="alias/aws/ssm")

with step("several"):
    answer = ssm.get_parameters(Names=["/app/key", "/app/url:1", "nobody", "/app/url:9"], WithDecryption=True)
    same(sorted(parameter["Value"] for parameter in answer["Parameters"]), ["a secret", "http://one"])
    same(sorted(answer["InvalidParameters"]), ["/app/url:9", "nobody"])
    with invalid("at 'names' failed to satisfy constraint: Member must have length less than or equal to 10"):
        ssm.get_parameters(Names=[str(n) for n in range(11)])

with step("paths"):
    put("/app/deep/one", "1")
    put("/application/x", "x")
    same(names(ssm.get_parameters_by_path(Path="/app")), ["/app/key", "/app/url"])
    same(names(ssm.get_parameters_by_path(Path="/app/", Recursive=True)), ["/app/deep/one", "/app/key", "/app/url"])
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True, PaginationConfig={"PageSize": 2})
    same([names(page) for page in pages], [["/app/deep/one", "/app/key"], ["/app/url", "/application/x"], ["plain"]])
    with invalid("The parameter name must begin with a forward slash"):
        ssm.get_parameters_by_path(Path="app")
    with refused("InvalidFilterKey", 400, "The following filter key is not valid: Name."):
        ssm.get_parameters_by_path(Path="/app", ParameterFilters=[{"Key": "Name", "Values": ["x"]}])

with step("labels"):
    answer = ssm.label_parameter_version(Name="/app/url", ParameterVersion=1, Labels=["live", "1st", "aws-label"])
    has(answer, InvalidLabels=["1st", "aws-label"], ParameterVersion=1)
    same(value("/app/url:live"), "http://one")
    ssm.label_parameter_version(Name="/app/url", Labels=["live"])
    same(value("/app/url:live"), "http://two")
    with refused("ParameterVersionLabelLimitExceeded", 400, "A parameter version can have maximum 10 labels."):
        ssm.label_parameter_version(Name="/app/url", Labels=[f"l{n}" for n in range(10)])
    has(ssm.unlabel_parameter_version(Name="/app/url", ParameterVersion=2, Labels=["live", "x"]), RemovedLabels=["live"], InvalidLabels=["x"])

with step("history"):
    versions = ssm.get_parameter_history(Name="/app/url")["Parameters"]
    same([(version["Version"], version["Value"], version["Labels"]) for version in versions], [(1, "http://one", []), (2, "http://two", [])])
    has(versions[1], Description="where it is", Tier="Standard", Policies=[])
    with missing("nobody"):
        ssm.get_parameter_history(Name="nobody")

with step("a_hundred_versions"):
    for n in range(101):
        put("counter", str(n), Overwrite=True)
    same(value("counter:2"), "1")
    with refused("ParameterVersionNotFound", 400, "could not find version 1 of counter"):
        value("counter:1")
    ssm.label_parameter_version(Name="counter", ParameterVersion=2, Labels=["keep"])
    with refused("ParameterMaxVersionLimitExceeded", 400, "Version 2, the oldest version, can't be deleted because it has a label"):
        put("counter", "x", Overwrite=True)
    ssm.delete_parameter(Name="counter")

with step("descriptions"):
    same(filtered("Name", "/app/url", "plain"), ["/app/url", "plain"])
    same(filtered("Name", "/app/", option="BeginsWith"), ["/app/deep/one", "/app/key", "/app/url"])
    same(filtered("Name", "lic", option="Contains"), ["/application/x"])
    same(filtered("Type", "SecureString"), ["/app/key"])
    same(filtered("Path", "/app"), ["/app/key", "/app/url"])
    same(names(ssm.describe_parameters(Filters=[{"Key": "Name", "Values": ["/app/"]}])), ["/app/deep/one", "/app/key", "/app/url"])
    pages = ssm.get_paginator("describe_parameters").paginate(PaginationConfig={"PageSize": 3})
    same([len(page["Parameters"]) for page in pages], [3, 2])
    with refused("InvalidFilterOption", 400, "The following filter value is not valid: Text."):
        filtered("Type", "Text")

with step("tags"):
    resource = {"ResourceType": "Parameter", "ResourceId": "/app/url"}
    ssm.add_tags_to_resource(**resource, Tags=[{"Key": "team", "Value": "fruit"}, {"Key": "stage", "Value": "test"}])
    ssm.remove_tags_from_resource(**resource, TagKeys=["stage"])
    same(ssm.list_tags_for_resource(**resource)["TagList"], [{"Key": "team", "Value": "fruit"}])
    same(filtered("tag:team", "fruit"), ["/app/url"])
    with refused("InvalidResourceId", 400, ""):
        ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="nobody")

with step("delete"):
    same(status_of(ssm.delete_parameter(Name="plain")), 200)
    with missing("plain"):
        ssm.delete_parameter(Name="plain")
    answer = ssm.delete_parameters(Names=["/app/deep/one", "nobody"])
    has(answer, DeletedParameters=["/app/deep/one"], InvalidParameters=["nobody"])
    same(put("plain", "again")["Version"], 1)

with step("what_is_not_there"):
    answer = refusal(ssm.list_documents)
    assert "ssm:ListDocuments is not supported here" in answer["Error"]["Message"], answer
    answer = refusal(put, name="patterned", text="x", AllowedPattern="x+")
    assert "AllowedPattern of PutParameter is not supported here" in answer["Error"]["Message"], answer
