#!/usr/bin/env python3
"""Makes the files beside it: public keys, and what AWS's own tools sign with the private ones, which are thrown away.

    python3 -m venv /tmp/signers && /tmp/signers/bin/pip install awscli==1.46.3 botocore==1.44.8 cryptography
    /tmp/signers/bin/python tests/e2e/signed/make.py

URLs, policies, and base64 are botocore's (`botocore.signers.CloudFrontSigner`) and, where it says so, those of
`aws cloudfront sign`; signatures are those of OpenSSL, through `cryptography`.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
from datetime import datetime, timezone

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

HERE = pathlib.Path(__file__).parent
SITE = "http://www.example.com"
UNTIL = datetime.fromtimestamp(2_147_483_000, timezone.utc)
PAST = datetime.fromtimestamp(1_000_000_000, timezone.utc)

rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ecdsa_key = ec.generate_private_key(ec.SECP256R1())
stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
curve = ec.generate_private_key(ec.SECP384R1())
for name, key in [("rsa", rsa_key), ("ecdsa", ecdsa_key), ("rsa-1024", small), ("ecdsa-p384", curve)]:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (HERE / f"{name}.pem").write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))


def signer(id="KRSA", key=rsa_key, hash=hashes.SHA1()):
    if isinstance(key, rsa.RSAPrivateKey):
        return CloudFrontSigner(id, lambda text: key.sign(text, padding.PKCS1v15(), hash))
    return CloudFrontSigner(id, lambda text: key.sign(text, ec.ECDSA(hash)))


def command(url, *more):
    pem = rsa_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem)
        file.flush()
        aws = [sys.executable, "-m", "awscli", "cloudfront", "sign", "--url", url, "--key-pair-id", "KRSA"]
        aws += ["--private-key", f"file://{file.name}", "--date-less-than", UNTIL.isoformat(), *more]
        return subprocess.run(aws, check=True, capture_output=True, text=True).stdout.strip()


def target(url):
    return url.removeprefix(SITE)


def cookies(url):
    """The parameters of a signed URL, as cookies."""
    pairs = [pair for pair in url.split("?", 1)[1].split("&")]
    return "; ".join(f"CloudFront-{pair}" for pair in pairs)


def canned(url, until=UNTIL, **key):
    return signer(**key).generate_presigned_url(url, date_less_than=until)


def custom(url, resource, until=UNTIL, since=None, address=None, **key):
    own = signer(**key)
    policy = own.build_policy(resource, until, since, address)
    return own.generate_presigned_url(url, policy=policy)


def written(url, policy):
    return signer().generate_presigned_url(url, policy=policy)


SHA256 = "&Hash-Algorithm=SHA256"
PAGE = f"{SITE}/private/page"
good = canned(PAGE)
ecdsa = {"id": "KECDSA", "key": ecdsa_key, "hash": hashes.SHA256()}
all_of = f"{SITE}/private/*"
date = '"DateLessThan":{"AWS:EpochTime":2147483000}'

cases = []


def case(name, url, answer="admitted", cookies="", seen=None):
    cases.append({"name": name, "target": target(url), "cookies": cookies, "answer": answer, "seen": seen or "/private/page"})


case("canned", good)
case("canned, by the AWS command line", command(PAGE))
case("canned, with a query", canned(f"{PAGE}?b=2&a=1"), seen="/private/page?b=2&a=1")
case("canned, a query after the signature", good + "&a=1", "Forged")
case("canned, SHA-256", canned(PAGE, hash=hashes.SHA256()) + SHA256)
case("canned, SHA-256 that is not said", canned(PAGE, hash=hashes.SHA256()), "Forged")
case("canned, SHA-1 that is said to be SHA-256", good + SHA256, "Forged")
case("canned, unknown hash", good + "&Hash-Algorithm=MD5", "Algorithm")
case("canned, ECDSA", canned(PAGE, **ecdsa) + SHA256)
case("canned, ECDSA over SHA-1", canned(PAGE, id="KECDSA", key=ecdsa_key), "Algorithm")
case("canned, expired", canned(PAGE, until=PAST), "Late")
case("canned, prolonged", canned(PAGE, until=PAST).replace("1000000000", "2147483000"), "Forged")
case("canned, of another page", good.replace("/page", "/pages"), "Forged")
case("canned, of a stranger", canned(PAGE, key=stranger), "Forged")
case("canned, of another key's name", canned(PAGE, id="KOTHER"), "UnknownKey")
case("custom", custom(PAGE, all_of))
case("custom, by the AWS command line", command(PAGE, "--date-greater-than", PAST.isoformat(), "--ip-address", "127.0.0.0/8"))
case("custom, with any query", custom(f"{PAGE}?a=1", all_of), seen="/private/page?a=1")
case("custom, query after the signature", custom(PAGE, all_of) + "&a=1", seen="/private/page?a=1")
case("custom, one character", custom(PAGE, f"{SITE}/private/pa?e"))
case("custom, both schemes", custom(PAGE, "http*://www.example.com/private/*"))
case("custom, everything", custom(PAGE, "*"))
case("custom, another folder", custom(PAGE, f"{SITE}/public/*"), "Resource")
case("custom, another scheme", custom(PAGE, "https://www.example.com/*"), "Resource")
case("custom, another host", custom(PAGE, "http://example.com/*"), "Resource")
case("custom, this address", custom(PAGE, all_of, address="127.0.0.1/32"))
case("custom, another address", custom(PAGE, all_of, address="192.0.2.0/24"), "Address")
case("custom, since long ago", custom(PAGE, all_of, since=PAST))
case("custom, not yet", custom(PAGE, all_of, since=UNTIL), "Early")
case("custom, expired", custom(PAGE, all_of, until=PAST), "Late")
case("custom, SHA-256", custom(PAGE, all_of, hash=hashes.SHA256()) + SHA256)
case("custom, ECDSA", custom(PAGE, all_of, **ecdsa) + SHA256)
case("custom, of a stranger", custom(PAGE, all_of, key=stranger), "Forged")
case("custom, no resource", written(PAGE, f'{{"Statement":[{{"Condition":{{{date}}}}}]}}'))
case("custom, spaces", written(PAGE, json.dumps(json.loads(signer().build_policy(all_of, UNTIL)), indent=2)))
case("custom, no end", written(PAGE, '{"Statement":[{"Resource":"*","Condition":{}}]}'), "Policy")
case("custom, milliseconds", written(PAGE, '{"Statement":[{"Condition":{"DateLessThan":{"AWS:EpochTime":2147483000000}}}]}'), "Policy")
case("custom, an unknown condition", written(PAGE, f'{{"Statement":[{{"Condition":{{{date},"Country":"DE"}}}}]}}'), "Policy")
case("custom, two statements", written(PAGE, f'{{"Statement":[{{"Condition":{{{date}}}}},{{"Condition":{{{date}}}}}]}}'), "Policy")
case("custom, no JSON", written(PAGE, "x"), "Policy")
case("cookies, canned", PAGE, cookies=cookies(good))
case("cookies, canned, of another page", f"{SITE}/private/other", "Forged", cookies=cookies(good))
case("cookies, custom", PAGE, cookies=cookies(custom(PAGE, all_of)))
case("cookies, custom, with a query", f"{PAGE}?a=1", cookies=cookies(custom(PAGE, all_of)), seen="/private/page?a=1")
case("cookies, ECDSA", PAGE, cookies=cookies(custom(PAGE, all_of, **ecdsa) + SHA256))
case("cookies, expired", PAGE, "Late", cookies=cookies(canned(PAGE, until=PAST)))
case("a wrong URL beside right cookies", good.replace("/page", "/pages"), "Forged", cookies=cookies(custom(PAGE, all_of)))
case("a right URL beside wrong cookies", good, cookies=cookies(canned(PAGE, until=PAST)))
case("nothing", PAGE, "NoKey")
case("no key's name", good.split("&Key-Pair-Id")[0], "NoKey")
case("no signature", good.split("&Signature")[0] + "&Key-Pair-Id=KRSA", "Signature")
case("a signature in another alphabet", good.replace("Signature=", "Signature=%2B"), "Signature")
case("no time", f"{PAGE}?Signature=" + good.split("&Signature=")[1], "Policy")

(HERE / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
