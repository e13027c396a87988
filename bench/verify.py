"""Whole `makoto verify` of a small file at L2, beside cosign on the same bundle.

The bundle has a certificate of a chain and a token of a timestamp authority, both made by
openssl here; the policy names the signer. Both programs run as whole processes, in turn, each a
copy as an installed program is: what a linker has just written lies in the page cache in small
pieces, and starts more slowly. The least that any process costs on this machine is printed beside
(`true`).

usage: MAKOTO=target/release/makoto python3 bench/verify.py [--quick]
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

MAKOTO = os.path.abspath(os.environ.get("MAKOTO", "target/release/makoto"))
HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
COSIGN = os.path.join(CACHE, "makoto-interop", "bin", "cosign")
ROUNDS = 11 if "--quick" in sys.argv else 51
COLLECTOR = "https://acme.example/collectors/1"

EXTENSIONS = f"""[req]
distinguished_name = n
prompt = no
[n]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = codeSigning
subjectAltName = URI:{COLLECTOR}
1.3.6.1.4.1.57264.1.8 = ASN1:UTF8String:https://token.example
"""


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command}: {(done.stdout + done.stderr).decode(errors='replace')}")


def timed(command, cwd):
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}")
    return 1000 * seconds


def prepare(folder):
    def makoto(*arguments):
        run(MAKOTO, *arguments, cwd=folder)

    def openssl(*arguments):
        run("openssl", *arguments, cwd=folder)

    with open(os.path.join(folder, "config"), "w", encoding="ascii") as config:
        config.write(EXTENSIONS)
    with open(os.path.join(folder, "orders.csv"), "w", encoding="ascii") as data:
        data.write("id,total\n1,9.50\n2,12.00\n")
    os.umask(0o077)
    with open(os.path.join(folder, "passphrase"), "w", encoding="ascii") as passphrase:
        passphrase.write("correct horse\n")
    makoto("key", "generate", "--out", "k", "--passphrase-file", "passphrase")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ca.key")
    request = ["req", "-new", "-config", "config"]
    openssl(*request, "-key", "ca.key", "-subj", "/O=acme/CN=ca", "-out", "ca.csr")
    sign = ["x509", "-req", "-days", "3650", "-extfile", "config"]
    openssl(*sign, "-in", "ca.csr", "-signkey", "ca.key", "-extensions", "ca", "-out", "ca.pem")
    openssl(*request, "-key", "k", "-passin", "file:passphrase", "-subj", "/O=acme/CN=1", "-out", "leaf.csr")
    openssl(*sign, "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-extensions", "leaf", "-out", "leaf.pem")
    run(sys.executable, os.path.join(HERE, "..", "demo", "tsa.py"), "tsa", cwd=folder)
    try:
        with open(os.path.join(folder, "tsa", "url"), encoding="ascii") as file:
            url = file.read()
        makoto("trust", "init", "--ca", "ca.pem", "--tsa", "tsa/ca.pem")
        makoto("attest", "origin", "orders.csv", "--source", "https://erp.example", "--collector", COLLECTOR,
               "--signer", "file:k", "--passphrase-file", "passphrase", "--certificate", "leaf.pem",
               "--tsa", url, "--trusted-root", "trusted_root.json", "--level", "L2")
    finally:
        with open(os.path.join(folder, "tsa", "pid"), encoding="ascii") as file:
            os.kill(int(file.read()), 15)
    makoto("policy", "init", "--trusted-root", "trusted_root.json", "--out", "policy.toml")
    makoto("policy", "allow", "--policy", "policy.toml", "--name", "dataset:*", "--uri", COLLECTOR, "--ca", "acme")
    # cosign reads trusted roots of v0.1 only.
    with open(os.path.join(folder, "trusted_root.json"), encoding="utf-8") as file:
        root = json.load(file)
    root["mediaType"] = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
    for authority in root["certificateAuthorities"] + root["timestampAuthorities"]:
        authority.pop("operator", None)
    with open(os.path.join(folder, "root01.json"), "w", encoding="utf-8") as file:
        json.dump(root, file)


def main():
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        makoto = shutil.copy(MAKOTO, os.path.join(folder, "makoto"))
        has_cosign = os.path.exists(COSIGN)
        cosign = shutil.copy(COSIGN, os.path.join(folder, "cosign")) if has_cosign else COSIGN
        ours = [makoto, "verify", "orders.csv", "--policy", "policy.toml", "--level", "L2"]
        theirs = [
            cosign, "verify-blob-attestation", "--bundle", "orders.csv.attestation",
            "--insecure-ignore-tlog", "--insecure-ignore-sct", "--use-signed-timestamps",
            "--trusted-root", "root01.json", "--type", "https://makoto.dev/origin/v1",
            "--certificate-identity", COLLECTOR, "--certificate-oidc-issuer", "https://token.example",
            "orders.csv",
        ]
        timed(ours, folder)
        our_times, their_times, least = [], [], []
        for round_ in range(ROUNDS):
            least.append(timed(["true"], folder))
            our_times.append(timed(ours, folder))
            if has_cosign and round_ < 11:
                their_times.append(timed(theirs, folder))
        wall = statistics.median(our_times)
        line = f"verify at L2, chain, token, policy  {wall:5.1f} ms (bound 12 ms; a process that does nothing: {statistics.median(least):.1f} ms)"
        if has_cosign:
            other = statistics.median(their_times)
            line += f"  cosign on the same bundle: {other:.0f} ms, {other / wall:.0f} x (bound 20 x)"
        else:
            line += "  cosign is not there: `make interop` builds it"
        print(line)


main()
