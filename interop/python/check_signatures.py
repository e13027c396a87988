"""Signatures, certificates and timestamps: openssl, cosign, the Sigstore timestamp authority and
securesystemslib read what makoto signs, and makoto what they sign."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from harness import ROOT, Failed, call, folder, ok, same
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

PEERS = Path(os.environ["PEERS"])
COLLECTOR = "https://acme.example/collectors/1"
ORIGIN = "https://makoto.dev/origin/v1"
SIGNER = f"""basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=codeSigning
subjectAltName=URI:{COLLECTOR}
1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:https://token.example
"""
AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"


def run(*args, cwd, status=0, env=None):
    """Runs another program; fails unless it exits as it should (None: not with 0)."""
    args = [str(arg) for arg in args]
    done = subprocess.run(args, capture_output=True, cwd=cwd, env={**os.environ, **(env or {})})
    good = done.returncode != 0 if status is None else done.returncode == status
    if not good:
        output = (done.stdout + done.stderr).decode(errors="replace")
        raise Failed(f"{args}: exit {done.returncode}\n{output}")
    return done.stdout


def cosign(*args, cwd, status=0):
    return run(PEERS / "cosign", *args, cwd=cwd, status=status, env={"COSIGN_PASSWORD": "pw"})


def workshop(name):
    """A folder with a passphrase and data."""
    place = folder(name)
    shutil.rmtree(place)
    place.mkdir()
    passphrase = place / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text("correct horse\n", encoding="ascii")
    (place / "orders.csv").write_text("id,total\n1,9.50\n", encoding="ascii")
    return place


def attest(place, *extra):
    origin = ["--source", "https://erp.acme.example", "--collector", COLLECTOR]
    call("attest", "origin", "orders.csv", *origin, "--replace", *extra, cwd=place)


def signed_with(key):
    return ["--signer", f"file:{key}", "--passphrase-file", "passphrase"]


def policy(place, *signer):
    call("policy", "init", "--trusted-root", "trusted_root.json", "--out", "policy.toml", cwd=place)
    call("policy", "allow", "--policy", "policy.toml", "--name", "dataset:*", *signer, cwd=place)


def bundle_of(place):
    return json.loads((place / "orders.csv.attestation").read_bytes())


def pae(envelope):
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@contextmanager
def openssl_tsa(place):
    run("python3", ROOT / "demo" / "tsa.py", "tsa", cwd=place)
    try:
        yield (place / "tsa" / "url").read_text(encoding="ascii")
    finally:
        os.kill(int((place / "tsa" / "pid").read_text(encoding="ascii")), 15)


@contextmanager
def sigstore_tsa(place):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ["serve", "--host", "127.0.0.1", "--port", str(port), "--timestamp-signer", "memory"]
    with open(place / "tsa.log", "wb") as log:
        server = subprocess.Popen(
            [PEERS / "timestamp-server", *serve, "--disable-ntp-monitoring"],
            stdout=log, stderr=log, cwd=place,
        )
    try:
        url = f"http://127.0.0.1:{port}/api/v1/timestamp"
        (place / "chain.pem").write_bytes(patiently(f"{url}/certchain"))
        yield url
    finally:
        server.terminate()
        server.wait()


def patiently(url):
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise Failed(f"{url} does not answer")


def root_for_cosign(place):
    """The trusted root as v0.1, since cosign reads no v0.2: without operators."""
    root = json.loads((place / "trusted_root.json").read_bytes())
    root["mediaType"] = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
    for authority in root.get("certificateAuthorities", []) + root.get("timestampAuthorities", []):
        authority.pop("operator", None)
    (place / "root01.json").write_text(json.dumps(root), encoding="ascii")


def certified(place, key):
    """A certificate authority by openssl, and a certificate of `key` by it."""
    config = "[req]\ndistinguished_name=n\nprompt=no\n[n]\n"
    (place / "config").write_text(config, encoding="ascii")
    (place / "ca.ext").write_text(AUTHORITY, encoding="ascii")
    (place / "leaf.ext").write_text(SIGNER, encoding="ascii")
    p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    run("openssl", "genpkey", *p256, "-out", "ca.key", cwd=place)
    request = ["openssl", "req", "-new", "-config", "config"]
    run(*request, "-key", "ca.key", "-subj", "/O=acme/CN=ca", "-out", "ca.csr", cwd=place)
    run(
        "openssl", "x509", "-req", "-in", "ca.csr", "-signkey", "ca.key", "-days", "3650",
        "-extfile", "ca.ext", "-out", "ca.pem", cwd=place,
    )
    run(
        *request, "-key", key, "-passin", "file:passphrase", "-subj", "/O=acme/CN=collector",
        "-out", "leaf.csr", cwd=place,
    )
    run(
        "openssl", "x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-days", "3650", "-extfile", "leaf.ext", "-out", "leaf.pem", cwd=place,
    )


def check_openssl():
    place = workshop("openssl")
    with openssl_tsa(place) as url:
        for algorithm in ["es256", "es384", "ed25519", "ps256"]:
            key = f"{algorithm}.key"
            call("key", "generate", "--algorithm", algorithm, "--out", key,
                 "--passphrase-file", "passphrase", cwd=place)
            attest(place, *signed_with(key), "--tsa", url)
            bundle = bundle_of(place)
            (place / "pae").write_bytes(pae(bundle["dsseEnvelope"]))
            signature = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
            (place / "sig").write_bytes(signature)
            verify = {
                "es256": ["dgst", "-sha256", "-verify", f"{key}.pub", "-signature", "sig", "pae"],
                "es384": ["dgst", "-sha384", "-verify", f"{key}.pub", "-signature", "sig", "pae"],
                "ed25519": ["pkeyutl", "-verify", "-pubin", "-inkey", f"{key}.pub", "-rawin",
                            "-in", "pae", "-sigfile", "sig"],
                "ps256": ["dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt",
                          "rsa_pss_saltlen:32", "-verify", f"{key}.pub", "-signature", "sig", "pae"],
            }[algorithm]
            run("openssl", *verify, cwd=place)
            stamp = bundle["verificationMaterial"]["timestampVerificationData"]
            answer = base64.b64decode(stamp["rfc3161Timestamps"][0]["signedTimestamp"])
            (place / "answer").write_bytes(answer)
            check = ["openssl", "ts", "-verify", "-in", "answer", "-CAfile", "tsa/ca.pem"]
            run(*check, "-data", "sig", cwd=place)
            (place / "sig").write_bytes(signature[:-1] + bytes([signature[-1] ^ 1]))
            run("openssl", *verify, cwd=place, status=None)
            run(*check, "-data", "sig", cwd=place, status=None)
        ok("openssl verifies our signatures over the PAE (ES256, ES384, Ed25519, PS256) and our tokens")

        # Keys and certificates that openssl made.
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-aes-256-cbc", "-pass", "file:passphrase", "-out", "theirs.key", cwd=place)
        os.chmod(place / "theirs.key", 0o600)
        certified(place, "theirs.key")
        (place / "chain.pem").write_bytes((place / "leaf.pem").read_bytes() + (place / "ca.pem").read_bytes())
        call("trust", "init", "--ca", "ca.pem", "--tsa", "tsa/ca.pem", cwd=place)
        attest(place, *signed_with("theirs.key"), "--certificate", "chain.pem", "--tsa", url,
               "--trusted-root", "trusted_root.json", "--level", "L2")
    policy(place, "--uri", COLLECTOR, "--ca", "acme")
    call("verify", "orders.csv", "--policy", "policy.toml", "--level", "L2", cwd=place)
    with open(place / "orders.csv", "a", encoding="ascii") as data:
        data.write("2,1\n")
    call("verify", "orders.csv", "--policy", "policy.toml", "--level", "L2", cwd=place, status=1)
    ok("makoto accepts a key, certificates and a token that openssl made, and refuses changed data")


def check_cosign_reads():
    place = workshop("cosign-reads")
    with sigstore_tsa(place) as url:
        call("trust", "init", "--tsa", "chain.pem", "--operator-tsa", "sigstore-local", cwd=place)
        root_for_cosign(place)
        for algorithm in ["es256", "ed25519"]:
            key = f"{algorithm}.key"
            call("key", "generate", "--algorithm", algorithm, "--out", key,
                 "--passphrase-file", "passphrase", cwd=place)
            attest(place, *signed_with(key), "--tsa", url, "--trusted-root", "trusted_root.json")
            verify = [
                "verify-blob-attestation", "--key", f"{key}.pub", "--bundle",
                "orders.csv.attestation", "--insecure-ignore-tlog", "--use-signed-timestamps",
                "--trusted-root", "root01.json", "--type", ORIGIN,
            ]
            cosign(*verify, "orders.csv", cwd=place)
            (place / "other.csv").write_text("id,total\n1,9.51\n", encoding="ascii")
            cosign(*verify, "other.csv", cwd=place, status=None)
        ok("cosign verifies our ES256 and Ed25519 bundles by key, with tokens of the Sigstore authority")

        certified(place, "es256.key")
        shutil.rmtree(place / "roots", ignore_errors=True)
        call("trust", "init", "--ca", "ca.pem", "--tsa", "chain.pem", "--operator-tsa",
             "sigstore-local", "--out", "both.json", cwd=place)
        shutil.copy(place / "both.json", place / "trusted_root.json")
        root_for_cosign(place)
        attest(place, *signed_with("es256.key"), "--certificate", "leaf.pem", "--tsa", url,
               "--trusted-root", "both.json", "--level", "L2")
        identity = ["--certificate-identity", COLLECTOR,
                    "--certificate-oidc-issuer", "https://token.example"]
        verify = [
            "verify-blob-attestation", "--bundle", "orders.csv.attestation",
            "--insecure-ignore-tlog", "--insecure-ignore-sct", "--use-signed-timestamps",
            "--trusted-root", "root01.json", "--type", ORIGIN,
        ]
        cosign(*verify, *identity, "orders.csv", cwd=place)
        identity[1] = "https://acme.example/collectors/2"
        cosign(*verify, *identity, "orders.csv", cwd=place, status=None)
        ok("cosign verifies our ES256 bundles by certificate, and no other identity")


def check_cosign_writes():
    place = workshop("cosign-writes")
    cosign("generate-key-pair", cwd=place)
    attest(place)
    shutil.move(place / "orders.csv.attestation", place / "statement.json")
    with sigstore_tsa(place) as url:
        call("trust", "init", "--tsa", "chain.pem", "--operator-tsa", "sigstore-local", cwd=place)
        root_for_cosign(place)
        config = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "tsaUrls": [{"url": url, "majorApiVersion": 1, "operator": "sigstore-local",
                         "validFor": {"start": "2025-01-01T00:00:00Z"}}],
            "tsaConfig": {"selector": "ANY"},
        }
        (place / "config.json").write_text(json.dumps(config), encoding="ascii")
        cosign(
            "attest-blob", "--key", "cosign.key", "--statement", "statement.json",
            "--signing-config", "config.json", "--trusted-root", "root01.json",
            "--bundle", "orders.csv.attestation", "-y", cwd=place,
        )
    policy(place, "--key", "cosign.pub", "--owner", COLLECTOR)
    verify = ["verify", "orders.csv", "--policy", "policy.toml", "--level", "L2"]
    call(*verify, cwd=place)
    good = (place / "orders.csv.attestation").read_bytes()
    payload = re.search(rb'"payload":"([^"]+)"', good).group(1)
    changed = base64.b64encode(base64.b64decode(payload).replace(b"erp", b"evi"))
    (place / "orders.csv.attestation").write_bytes(good.replace(payload, changed))
    call(*verify, cwd=place, status=1)
    ok("makoto verifies what cosign attest-blob makes at L2, and refuses a changed payload")


def check_securesystemslib():
    place = workshop("securesystemslib")
    for algorithm in ["es256", "es384", "ed25519", "ps256"]:
        key = f"{algorithm}.key"
        call("key", "generate", "--algorithm", algorithm, "--out", key,
             "--passphrase-file", "passphrase", cwd=place)
        attest(place, *signed_with(key))
        written = bundle_of(place)["dsseEnvelope"]
        signature = written["signatures"][0]
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
        public = load_pem_public_key((place / f"{key}.pub").read_bytes())
        theirs = SSlibKey.from_crypto(public, keyid="any",
                                      scheme={"ps256": "rsassa-pss-sha256"}.get(algorithm))
        # It looks for the key by the id in the envelope, which makoto leaves empty.
        theirs.keyid = signature["keyid"]
        envelope = Envelope.from_dict(json.loads(json.dumps(written)))
        envelope.verify([theirs], 1)
        envelope.payload = envelope.payload.replace(b"erp", b"evi")
        try:
            envelope.verify([theirs], 1)
        except VerificationError:
            continue
        raise Failed(f"securesystemslib accepts a changed payload, {algorithm}")
    same("signatures in a bundle", 1, len(written["signatures"]))
    ok("securesystemslib reads and verifies our envelopes (ES256, ES384, Ed25519, PS256)")


CHECKS = [check_openssl, check_cosign_reads, check_cosign_writes, check_securesystemslib]
