"""Secrets Manager: values, versions, stages, tags, lists, deletion."""

import re

from aws import client, has, invalid, matches, refusal, refused, same, status_of, step
from botocore.exceptions import ClientError

secrets = client("secretsmanager")
# Sends also what boto3 knows to be wrong.
careless = client("secretsmanager", parameter_validation=False)

ARN = r"arn:aws:secretsmanager:us-east-1:\d{12}:secret:%s-[A-Za-z]{6}"
TOKEN = "00000000-0000-4000-8000-00000000000%d"
MARKED = "You can't perform this operation on the secret because it was marked for deletion."


def missing(text="Secrets Manager can't find the specified secret."):
    return refused("ResourceNotFoundException", 400, text)


def exists(text):
    return refused("ResourceExistsException", 400, text)


def unsound(text):
    return refused("InvalidParameterException", 400, text)


def untimely(text=MARKED):
    return refused("InvalidRequestException", 400, text)


def value(name, **more):
    return secrets.get_secret_value(SecretId=name, **more)["SecretString"]


def stages(name):
    return secrets.describe_secret(SecretId=name)["VersionIdsToStages"]


def names(**more):
    return [entry["Name"] for entry in secrets.list_secrets(**more)["SecretList"]]


with step("create"):
    made = secrets.create_secret(Name="app/db", SecretString='{"user": "apple"}', Description="fruit", Tags=[{"Key": "team", "Value": "fruit"}])
    matches(ARN % "app/db", made["ARN"])
    same(made["Name"], "app/db")
    matches(r"[0-9a-f-]{36}", made["VersionId"])
    with exists("The operation failed because the secret app/db already exists."):
        secrets.create_secret(Name="app/db", SecretString="pear")

with step("read"):
    found = secrets.get_secret_value(SecretId="app/db")
    has(found, ARN=made["ARN"], Name="app/db", VersionId=made["VersionId"], SecretString='{"user": "apple"}', VersionStages=["AWSCURRENT"])
    assert found["CreatedDate"].microsecond % 1000 == 0 and "SecretBinary" not in found
    same(value(made["ARN"]), value("app/db"))
    same(value(made["ARN"][:-7]), value("app/db"))
    for name in ["app", "app/d", made["ARN"].replace("us-east-1", "us-west-2")]:
        with missing():
            secrets.get_secret_value(SecretId=name)

with step("binary"):
    secrets.create_secret(Name="binary", SecretBinary=bytes(range(256)))
    found = secrets.get_secret_value(SecretId="binary")
    same(found["SecretBinary"], bytes(range(256)))
    assert "SecretString" not in found

with step("without_a_value"):
    assert "VersionId" not in secrets.create_secret(Name="empty")
    with missing("Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"):
        secrets.get_secret_value(SecretId="empty")

with step("names_and_sizes"):
    with refused("ValidationException", 400, "Invalid name. Must be a valid name containing alphanumeric characters"):
        secrets.create_secret(Name="a b")
    with invalid("Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536"):
        secrets.create_secret(Name="large", SecretString="x" * 65_537)
    secrets.create_secret(Name="large", SecretString="x" * 65_536)
    same(len(value("large")), 65_536)
    with unsound("ClientRequestToken must be 32-64 characters long."):
        careless.create_secret(Name="token", ClientRequestToken="short")

with step("a_request_twice"):
    for _ in range(2):
        same(secrets.create_secret(Name="twice", SecretString="one", ClientRequestToken=TOKEN % 1)["VersionId"], TOKEN % 1)
    with exists(f"You can't use ClientRequestToken {TOKEN % 1} because that value is already in use for a version of secret arn:aws:"):
        secrets.put_secret_value(SecretId="twice", SecretString="two", ClientRequestToken=TOKEN % 1)
    same(value("twice"), "one")

with step("versions"):
    put = secrets.put_secret_value(SecretId="twice", SecretString="two", ClientRequestToken=TOKEN % 2)
    has(put, Name="twice", VersionId=TOKEN % 2, VersionStages=["AWSCURRENT"])
    same(stages("twice"), {TOKEN % 1: ["AWSPREVIOUS"], TOKEN % 2: ["AWSCURRENT"]})
    same(value("twice"), "two")
    same(value("twice", VersionStage="AWSPREVIOUS"), "one")
    same(value("twice", VersionId=TOKEN % 1), "one")
    with missing(f"Secrets Manager can't find the specified secret value for VersionId: {TOKEN % 9}"):
        value("twice", VersionId=TOKEN % 9)
    with untimely("You must provide either SecretString or SecretBinary."):
        secrets.put_secret_value(SecretId="twice")
    secrets.update_secret(SecretId="twice", SecretString="three", ClientRequestToken=TOKEN % 3)
    same(stages("twice"), {TOKEN % 2: ["AWSPREVIOUS"], TOKEN % 3: ["AWSCURRENT"]})
    listed = secrets.list_secret_version_ids(SecretId="twice", IncludeDeprecated=True)["Versions"]
    same([version["VersionId"] for version in listed], [TOKEN % 1, TOKEN % 2, TOKEN % 3])

with step("stages"):
    secrets.put_secret_value(SecretId="twice", SecretString="four", ClientRequestToken=TOKEN % 4, VersionStages=["next"])
    same(value("twice"), "three")
    same(value("twice", VersionStage="next"), "four")
    with untimely("You provided a VersionStage that is not associated to the provided VersionId."):
        value("twice", VersionId=TOKEN % 4, VersionStage="AWSCURRENT")
    with unsound("The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version"):
        secrets.update_secret_version_stage(SecretId="twice", VersionStage="AWSCURRENT", MoveToVersionId=TOKEN % 4)
    secrets.update_secret_version_stage(
        SecretId="twice", VersionStage="AWSCURRENT", RemoveFromVersionId=TOKEN % 3, MoveToVersionId=TOKEN % 4
    )
    same(value("twice"), "four")
    same(value("twice", VersionStage="AWSPREVIOUS"), "three")

with step("describe_and_update"):
    described = secrets.describe_secret(SecretId="app/db")
    has(described, ARN=made["ARN"], Description="fruit", Tags=[{"Key": "team", "Value": "fruit"}])
    assert described["LastAccessedDate"] <= described["CreatedDate"]
    assert "VersionId" not in secrets.update_secret(SecretId="app/db", Description="vegetables")
    same(secrets.describe_secret(SecretId="app/db")["Description"], "vegetables")
    with missing():
        secrets.update_secret(SecretId="nobody", Description="x")

with step("tags"):
    secrets.tag_resource(SecretId="app/db", Tags=[{"Key": "stage", "Value": "test"}, {"Key": "team", "Value": "roots"}])
    secrets.untag_resource(SecretId="app/db", TagKeys=["stage", "nothing"])
    same(secrets.describe_secret(SecretId="app/db")["Tags"], [{"Key": "team", "Value": "roots"}])
    with unsound("at most 50 tags"):
        secrets.tag_resource(SecretId="app/db", Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])

with step("lists"):
    same(names(), ["app/db", "binary", "empty", "large", "twice"])
    same(names(Filters=[{"Key": "name", "Values": ["app/", "tw"]}]), ["app/db", "twice"])
    same(names(Filters=[{"Key": "tag-key", "Values": ["team"]}]), ["app/db"])
    same(names(Filters=[{"Key": "tag-value", "Values": ["fruit"]}]), [])
    same(names(Filters=[{"Key": "description", "Values": ["Vege"]}]), ["app/db"])
    same(names(Filters=[{"Key": "all", "Values": ["roots"]}]), ["app/db"])
    pages = list(secrets.get_paginator("list_secrets").paginate(PaginationConfig={"PageSize": 2}))
    same([len(page["SecretList"]) for page in pages], [2, 2, 1])
    with refused("InvalidNextTokenException", 400, "NextToken"):
        secrets.list_secrets(NextToken="?")

with step("batch"):
    batch = secrets.batch_get_secret_value(SecretIdList=["twice", "nobody", "binary"])
    same([entry["Name"] for entry in batch["SecretValues"]], ["twice", "binary"])
    same([(entry["SecretId"], entry["ErrorCode"]) for entry in batch["Errors"]], [("nobody", "ResourceNotFoundException")])
    batch = secrets.batch_get_secret_value(Filters=[{"Key": "name", "Values": ["twice"]}])
    same([entry["SecretString"] for entry in batch["SecretValues"]], ["four"])
    with unsound("Either 'SecretIdList' or 'Filters' must be provided, but not both."):
        secrets.batch_get_secret_value(SecretIdList=["twice"], Filters=[{"Key": "name", "Values": ["twice"]}])

with step("passwords"):
    password = secrets.get_random_password(PasswordLength=20, ExcludePunctuation=True)["RandomPassword"]
    matches(r"[A-Za-z0-9]{20}", password)
    assert all(re.search(kind, password) for kind in ["[a-z]", "[A-Z]", "[0-9]"]), password
    same(len(secrets.get_random_password()["RandomPassword"]), 32)
    with unsound("Password length is too short based on the required types."):
        secrets.get_random_password(PasswordLength=3)

with step("delete_and_restore"):
    with unsound("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."):
        secrets.delete_secret(SecretId="twice", RecoveryWindowInDays=6)
    deleted = secrets.delete_secret(SecretId="twice", RecoveryWindowInDays=7)
    has(deleted, Name="twice")
    for call, more in [(secrets.get_secret_value, {}), (secrets.put_secret_value, {"SecretString": "x"}), (secrets.update_secret, {})]:
        with untimely():
            call(SecretId="twice", **more)
    with untimely("You can't create this secret because a secret with this name is already scheduled for deletion."):
        secrets.create_secret(Name="twice")
    same(secrets.describe_secret(SecretId="twice")["DeletedDate"], deleted["DeletionDate"])
    assert "twice" not in names() and "twice" in names(IncludePlannedDeletion=True)
    has(secrets.restore_secret(SecretId="twice"), Name="twice")
    same(value("twice"), "four")

with step("delete_at_once"):
    with unsound("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."):
        secrets.delete_secret(SecretId="twice", RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True)
    for _ in range(2):
        same(status_of(secrets.delete_secret(SecretId="twice", ForceDeleteWithoutRecovery=True)), 200)
    with missing():
        secrets.get_secret_value(SecretId="twice")
    secrets.create_secret(Name="twice", SecretString="new", ClientRequestToken=TOKEN % 1)
    same(stages("twice"), {TOKEN % 1: ["AWSCURRENT"]})

with step("what_is_not_there"):
    answer = refusal(secrets.rotate_secret, SecretId="twice")
    assert "secretsmanager:RotateSecret is not supported here" in answer["Error"]["Message"], answer
    answer = refusal(secrets.create_secret, Name="replica", AddReplicaRegions=[{"Region": "us-west-2"}])
    assert "AddReplicaRegions of CreateSecret is not supported here" in answer["Error"]["Message"], answer
    try:
        careless.put_secret_value(SecretId="twice", SecretString=734512)
    except ClientError as error:
        same(error.response["Error"]["Code"], "SerializationException")
        assert "734512" not in str(error), error
