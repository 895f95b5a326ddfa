"""Identities: roles, users and policies, keys, sessions, and what each of them may do."""

import json
import time

import boto3

from aws import ACCOUNT, client, has, matches, refused, same, status_of, step

iam, sts = client("iam"), client("sts")
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
READS = "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess"


def role_arn(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def policy_arn(name):
    return f"arn:aws:iam::{ACCOUNT}:policy/{name}"


def document(action="lambda:ListFunctions", resource="*", effect="Allow", **more):
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}]}


def trust(**principal):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}


def missing(text):
    return refused("NoSuchEntity", 404, text)


def taken(text):
    return refused("EntityAlreadyExists", 409, text)


def in_use(text):
    return refused("DeleteConflict", 409, text)


def denied(text):
    """As services of the query protocol tell it."""
    return refused("AccessDenied", 403, text)


def with_keys(service, keys, **more):
    """A client that has the keys of an answer."""
    names = {"aws_access_key_id": "AccessKeyId", "aws_secret_access_key": "SecretAccessKey", "aws_session_token": "SessionToken"}
    return boto3.client(service, **{name: keys.get(member) for name, member in names.items()}, **more)


def may_list(keys):
    return status_of(with_keys("lambda", keys).list_functions()) == 200


LAMBDA = trust(Service="lambda.amazonaws.com")
ACCOUNT_TRUST = trust(AWS=f"arn:aws:iam::{ACCOUNT}:root")

with step("create_role"):
    role = iam.create_role(
        RoleName="executor", Path="/service-role/", AssumeRolePolicyDocument=json.dumps(LAMBDA), Description="runs",
        Tags=[{"Key": "team", "Value": "fruit + nuts"}],
    )["Role"]  # fmt: skip
    has(role, RoleName="executor", Path="/service-role/", Arn=role_arn("service-role/executor"), Description="runs",
        AssumeRolePolicyDocument=LAMBDA, MaxSessionDuration=3600, Tags=[{"Key": "team", "Value": "fruit + nuts"}])  # fmt: skip
    matches(r"AROA[A-Z0-9]{17}", role["RoleId"])
    assert role["CreateDate"].tzinfo is not None
    with taken("Role with name executor already exists."):
        iam.create_role(RoleName="executor", AssumeRolePolicyDocument=json.dumps(LAMBDA))
    with refused("MalformedPolicyDocument", 400, ""):
        iam.create_role(RoleName="other", AssumeRolePolicyDocument="{}")

with step("get_role"):
    got = iam.get_role(RoleName="executor")["Role"]
    same({key: value for key, value in got.items() if key != "RoleLastUsed"}, role)
    with missing("The role with name nobody cannot be found."):
        iam.get_role(RoleName="nobody")
    iam.get_waiter("role_exists").wait(RoleName="executor")

with step("list_roles"):
    for number in range(3):
        iam.create_role(RoleName=f"r{number}", AssumeRolePolicyDocument=json.dumps(ACCOUNT_TRUST))
    pages = list(iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2}))
    same([role["RoleName"] for page in pages for role in page["Roles"]], ["executor", "r0", "r1", "r2"])
    same([page["IsTruncated"] for page in pages], [True, False])
    same(len(iam.list_roles(PathPrefix="/service-role/")["Roles"]), 1)

with step("update_role"):
    iam.update_role(RoleName="r0", Description="", MaxSessionDuration=7200)
    has(iam.get_role(RoleName="r0")["Role"], MaxSessionDuration=7200)
    changed = trust(AWS=ACCOUNT)
    iam.update_assume_role_policy(RoleName="r0", PolicyDocument=json.dumps(changed))
    same(iam.get_role(RoleName="r0")["Role"]["AssumeRolePolicyDocument"], changed)
    same(iam.update_role_description(RoleName="r0", Description="new")["Role"]["Description"], "new")

with step("role_policies"):
    iam.put_role_policy(RoleName="r0", PolicyName="lists", PolicyDocument=json.dumps(document()))
    same(iam.list_role_policies(RoleName="r0")["PolicyNames"], ["lists"])
    has(iam.get_role_policy(RoleName="r0", PolicyName="lists"), RoleName="r0", PolicyName="lists", PolicyDocument=document())
    with missing("The role policy with name other cannot be found."):
        iam.get_role_policy(RoleName="r0", PolicyName="other")
    with refused("MalformedPolicyDocument", 400, ""):
        iam.put_role_policy(RoleName="r0", PolicyName="bad", PolicyDocument="{")

with step("attached_policies"):
    iam.attach_role_policy(RoleName="executor", PolicyArn=BASIC)
    same(iam.list_attached_role_policies(RoleName="executor")["AttachedPolicies"],
         [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}])  # fmt: skip
    same([role["RoleName"] for role in iam.list_entities_for_policy(PolicyArn=BASIC)["PolicyRoles"]], ["executor"])
    with missing(""):
        iam.attach_role_policy(RoleName="executor", PolicyArn=policy_arn("nothing"))
    with in_use("Cannot delete entity, must detach all policies first."):
        iam.delete_role(RoleName="executor")

with step("create_policy"):
    made = iam.create_policy(PolicyName="lists", Path="/p/", PolicyDocument=json.dumps(document()), Description="d")["Policy"]
    has(made, PolicyName="lists", Arn=policy_arn("p/lists"), Path="/p/", DefaultVersionId="v1", AttachmentCount=0, IsAttachable=True)
    matches(r"ANPA[A-Z0-9]{17}", made["PolicyId"])
    with taken("A policy called lists already exists."):
        iam.create_policy(PolicyName="lists", Path="/p/", PolicyDocument=json.dumps(document()))
    has(iam.get_policy(PolicyArn=made["Arn"])["Policy"], Description="d")
    same([policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]], [made["Arn"]])
    assert any(policy["Arn"] == BASIC for policy in iam.list_policies(Scope="AWS", MaxItems=1000)["Policies"])

with step("policy_versions"):
    arn = made["Arn"]
    second = iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document("s3:GetObject")), SetAsDefault=True)
    has(second["PolicyVersion"], VersionId="v2", IsDefaultVersion=True)
    has(iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"], Document=document("s3:GetObject"))
    same([version["VersionId"] for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]], ["v2", "v1"])
    with in_use(""):
        iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    has(iam.get_policy_version(PolicyArn=BASIC, VersionId="v1")["PolicyVersion"], IsDefaultVersion=True)

with step("tags"):
    tags = [{"Key": "a", "Value": "b"}]
    for kind, name in [("role", {"RoleName": "r0"}), ("policy", {"PolicyArn": arn})]:
        getattr(iam, f"tag_{kind}")(**name, Tags=tags)
        same(getattr(iam, f"list_{kind}_tags")(**name)["Tags"], tags)
        getattr(iam, f"untag_{kind}")(**name, TagKeys=["a", "nothing"])
        same(getattr(iam, f"list_{kind}_tags")(**name)["Tags"], [])

with step("users"):
    user = iam.create_user(UserName="ada", Tags=tags)["User"]
    has(user, UserName="ada", Arn=f"arn:aws:iam::{ACCOUNT}:user/ada", Path="/")
    matches(r"AIDA[A-Z0-9]{17}", user["UserId"])
    has(iam.get_user(UserName="ada")["User"], **user)
    same([user["UserName"] for user in iam.list_users()["Users"]], ["ada"])
    same(iam.list_groups_for_user(UserName="ada")["Groups"], [])

with step("access_keys"):
    keys = iam.create_access_key(UserName="ada")["AccessKey"]
    has(keys, UserName="ada", Status="Active")
    matches(r"AKIA[A-Z0-9]{16}", keys["AccessKeyId"])
    same([key["AccessKeyId"] for key in iam.list_access_keys(UserName="ada")["AccessKeyMetadata"]], [keys["AccessKeyId"]])
    identity = with_keys("sts", keys).get_caller_identity()
    has(identity, UserId=user["UserId"], Arn=user["Arn"], Account=ACCOUNT)

with step("denied_until_allowed"):
    text = f"User: {user['Arn']} is not authorized to perform: lambda:ListFunctions"
    with refused("AccessDeniedException", 403, text):
        may_list(keys)
    with denied("is not authorized to perform: iam:ListUsers on resource: "):
        with_keys("iam", keys).list_users()
    iam.put_user_policy(UserName="ada", PolicyName="lists", PolicyDocument=json.dumps(document()))
    assert may_list(keys)
    iam.put_user_policy(UserName="ada", PolicyName="no", PolicyDocument=json.dumps(document("lambda:*", effect="Deny")))
    with refused("AccessDeniedException", 403, "with an explicit deny in an identity-based policy"):
        may_list(keys)
    iam.delete_user_policy(UserName="ada", PolicyName="no")
    iam.delete_user_policy(UserName="ada", PolicyName="lists")
    iam.attach_user_policy(UserName="ada", PolicyArn=READS)
    assert may_list(keys)
    iam.detach_user_policy(UserName="ada", PolicyArn=READS)
    iam.attach_user_policy(UserName="ada", PolicyArn=arn)
    assert may_list(keys)

with step("assume_role"):
    with denied("is not authorized to perform: sts:AssumeRole on resource: " + role_arn("service-role/executor")):
        sts.assume_role(RoleArn=role_arn("service-role/executor"), RoleSessionName="me")
    # An account trusts its own: its users must be allowed.
    with denied("because no identity-based policy allows the sts:AssumeRole action"):
        with_keys("sts", keys).assume_role(RoleArn=role_arn("r0"), RoleSessionName="me")
    assumed = sts.assume_role(RoleArn=role_arn("r0"), RoleSessionName="me", DurationSeconds=900)
    session = assumed["Credentials"]
    matches(r"ASIA[A-Z0-9]{16}", session["AccessKeyId"])
    assert 890 < session["Expiration"].timestamp() - time.time() < 901
    same(assumed["AssumedRoleUser"]["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/r0/me")
    matches(r"AROA[A-Z0-9]{17}:me", assumed["AssumedRoleUser"]["AssumedRoleId"])
    identity = with_keys("sts", session).get_caller_identity()
    same((identity["Arn"], identity["UserId"]), (assumed["AssumedRoleUser"]["Arn"], assumed["AssumedRoleUser"]["AssumedRoleId"]))
    assert may_list(session)
    with denied("assumed-role/r0/me is not authorized to perform: iam:ListUsers"):
        with_keys("iam", session).list_users()

with step("sessions_policy"):
    cut = sts.assume_role(RoleArn=role_arn("r0"), RoleSessionName="cut", Policy=json.dumps(document("s3:*")))
    assert 0 < cut["PackedPolicySize"] < 100
    with refused("AccessDeniedException", 403, "because no session policy allows the lambda:ListFunctions action"):
        may_list(cut["Credentials"])

with step("durations"):
    for seconds, text in [(899, "greater than or equal to 900"), (43201, "less than or equal to 43200")]:
        with refused("ValidationError", 400, text):
            client("sts", parameter_validation=False).assume_role(RoleArn=role_arn("r0"), RoleSessionName="me", DurationSeconds=seconds)
    with refused("ValidationError", 400, "exceeds the MaxSessionDuration set for this role."):
        sts.assume_role(RoleArn=role_arn("r0"), RoleSessionName="me", DurationSeconds=7201)

with step("forged_tokens"):
    for forged in [{**session, "SessionToken": "A" + session["SessionToken"][1:]}, {**session, "SessionToken": None}]:
        with refused("InvalidClientTokenId", 403, "The security token included in the request is invalid"):
            with_keys("sts", forged).get_caller_identity()
    with refused("UnrecognizedClientException", 403, "The security token included in the request is invalid."):
        may_list({**session, "AccessKeyId": cut["Credentials"]["AccessKeyId"]})
    with refused("SignatureDoesNotMatch", 403, "The request signature we calculated does not match"):
        with_keys("sts", {**session, "SecretAccessKey": keys["SecretAccessKey"]}).get_caller_identity()

with step("session_token"):
    own = with_keys("sts", keys).get_session_token(DurationSeconds=900)["Credentials"]
    same(with_keys("sts", own).get_caller_identity()["Arn"], user["Arn"])
    assert may_list(own)
    with denied("Cannot call GetSessionToken with session credentials"):
        with_keys("sts", own).get_session_token()
    same(sts.get_access_key_info(AccessKeyId=keys["AccessKeyId"])["Account"], ACCOUNT)

with step("simulate"):
    results = iam.simulate_principal_policy(PolicySourceArn=role_arn("r0"), ActionNames=["lambda:ListFunctions", "s3:GetObject"])
    same([result["EvalDecision"] for result in results["EvaluationResults"]], ["allowed", "implicitDeny"])
    same(iam.get_account_summary()["SummaryMap"]["Users"], 1)

with step("keys_are_turned_off"):
    iam.update_access_key(UserName="ada", AccessKeyId=keys["AccessKeyId"], Status="Inactive")
    for old in [keys, own]:
        with refused("InvalidClientTokenId", 403, "The security token included in the request is invalid"):
            with_keys("sts", old).get_caller_identity()
    iam.update_access_key(UserName="ada", AccessKeyId=keys["AccessKeyId"], Status="Active")
    assert may_list(own)

with step("delete"):
    with in_use("Cannot delete entity, must detach all policies first."):
        iam.delete_user(UserName="ada")
    with in_use("Cannot delete a policy attached to entities."):
        iam.delete_policy(PolicyArn=arn)
    iam.detach_user_policy(UserName="ada", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    with in_use("Cannot delete entity, must delete access keys first."):
        iam.delete_user(UserName="ada")
    iam.delete_access_key(UserName="ada", AccessKeyId=keys["AccessKeyId"])
    iam.delete_user(UserName="ada")
    with refused("InvalidClientTokenId", 403, ""):
        with_keys("sts", keys).get_caller_identity()
    iam.delete_role_policy(RoleName="r0", PolicyName="lists")
    iam.delete_role(RoleName="r0")

with step("a_deleted_roles_sessions_are_nobodys"):
    iam.create_role(RoleName="r0", AssumeRolePolicyDocument=json.dumps(ACCOUNT_TRUST))
    with refused("InvalidClientTokenId", 403, "The security token included in the request is invalid"):
        with_keys("sts", session).get_caller_identity()
    iam.detach_role_policy(RoleName="executor", PolicyArn=BASIC)
    for name in ["executor", "r0", "r1", "r2"]:
        iam.delete_role(RoleName=name)
    same(iam.list_roles()["Roles"], [])
