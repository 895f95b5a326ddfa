"""The layer with which functions use AWS's SDK and Powertools: what these tests have installed for themselves."""

import io
import pathlib
import zipfile

import boto3

PACKAGES = ["aws_lambda_powertools", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "typing_extensions.py", "urllib3"]
SITE = pathlib.Path(boto3.__file__).parents[1]


def layer(models):
    """Of the models of all services it has these."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in PACKAGES:
            path = SITE / package
            for file in [path] if path.is_file() else sorted(path.rglob("*")):
                if file.is_file() and is_wanted(file.relative_to(SITE), models):
                    archive.write(file, f"python/{file.relative_to(SITE)}")
    return out.getvalue()


def is_wanted(path, models):
    parts = path.parts
    if "__pycache__" in parts or path.suffix == ".so":
        return False
    return parts[:2] != ("botocore", "data") or len(parts) == 3 or parts[2] in models
