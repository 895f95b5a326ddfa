"""Who asks: signatures, and what STS tells."""

import datetime
from unittest import mock

import boto3
import botocore.auth
from botocore import UNSIGNED
from botocore.config import Config

from aws import ACCOUNT, UUID, client, matches, refused, same, status_of, step

sts = client("sts")

with step("caller_identity"):
    identity = sts.get_caller_identity()
    same(status_of(identity), 200)
    matches(r"\d{12}", ACCOUNT)
    assert identity["Arn"].startswith(f"arn:aws:iam::{ACCOUNT}:"), identity
    assert identity["UserId"], identity
    matches(UUID, identity["ResponseMetadata"]["RequestId"])

with step("unsigned"):
    with refused("MissingAuthenticationTokenException", 403, "Missing Authentication Token"):
        client(signature_version=UNSIGNED).list_functions()
    with refused("MissingAuthenticationToken", 403, "Request is missing Authentication Token"):
        client("sts", signature_version=UNSIGNED).get_caller_identity()

with step("unknown_access_key"):
    nobody = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
    with refused("UnrecognizedClientException", 403, "The security token included in the request is invalid."):
        boto3.client("lambda", **nobody).list_functions()
    with refused("InvalidClientTokenId", 403, "The security token included in the request is invalid"):
        boto3.client("sts", **nobody).get_caller_identity()

with step("wrong_secret_key"):
    mismatch = "The request signature we calculated does not match the signature you provided."
    for service, code in [("lambda", "InvalidSignatureException"), ("sts", "SignatureDoesNotMatch")]:
        forger = boto3.client(service, aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                              aws_access_key_id=boto3.Session().get_credentials().access_key)  # fmt: skip
        with refused(code, 403, mismatch):
            forger.list_functions() if service == "lambda" else forger.get_caller_identity()

with step("signed_for_another_region"):
    with refused("InvalidSignatureException", 403, "Credential should be scoped to a valid region"):
        boto3.client("lambda", region_name="eu-west-1", config=Config()).list_functions()

for name, minutes, text in [("signed_too_early", -16, "Signature expired: "), ("signed_too_late", 16, "Signature not yet current: ")]:
    with step(name):
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
        with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: now):
            with refused("InvalidSignatureException", 403, text):
                client().list_functions()

with step("signed_within_the_tolerance"):
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(minutes=4)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: now):
        same(status_of(client().list_functions()), 200)
