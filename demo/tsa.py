"""A timestamp authority (RFC 3161) on this machine, by openssl.

Makes a certificate authority and a timestamp authority under it in FOLDER if they are not there,
and answers on a free port of the loopback interface, in the background, until it is ended:
kill "$(cat FOLDER/pid)". Prints its URL, which is in FOLDER/url as well.

usage: python3 demo/tsa.py FOLDER
"""

import http.server
import os
import subprocess
import sys
import tempfile
import time

FOLDER = os.path.abspath(sys.argv[1])

# Seconds after which it ends by itself.
LONGEST = 3600

CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[tsa]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[answer]
serial = {folder}/serial
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
signer_digest = sha256
"""


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, cwd=FOLDER, capture_output=True)


def make():
    os.makedirs(FOLDER, exist_ok=True)
    if os.path.exists(os.path.join(FOLDER, "tsa.pem")):
        return
    with open(os.path.join(FOLDER, "config"), "w", encoding="ascii") as config:
        config.write(CONFIG.format(folder=FOLDER))
    with open(os.path.join(FOLDER, "serial"), "w", encoding="ascii") as serial:
        serial.write("01\n")
    for name, subject in [("ca", "/O=local-tsa/CN=root"), ("tsa", "/O=local-tsa/CN=tsa")]:
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")
        openssl("req", "-new", "-config", "config", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")
    sign = ["-extfile", "config", "-days", "3650"]
    openssl("x509", "-req", "-in", "ca.csr", "-signkey", "ca.key", "-extensions", "ca", *sign, "-out", "ca.pem")
    openssl(
        "x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-extensions", "tsa", *sign, "-out", "tsa.pem",
    )


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers one request with what openssl says to it."""

    def do_POST(self):
        query = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with tempfile.NamedTemporaryFile(dir=FOLDER) as asked:
            asked.write(query)
            asked.flush()
            ran = subprocess.run(
                [
                    "openssl", "ts", "-reply", "-config", "config", "-section", "answer",
                    "-queryfile", asked.name, "-signer", "tsa.pem", "-inkey", "tsa.key",
                ],
                cwd=FOLDER, capture_output=True, check=False,
            )
        self.send_response(200 if ran.returncode == 0 else 400)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(ran.stdout)))
        self.end_headers()
        self.wfile.write(ran.stdout)

    def log_message(self, *_):
        pass


def main():
    make()
    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    url = f"http://127.0.0.1:{server.server_port}/"
    with open(os.path.join(FOLDER, "url"), "w", encoding="ascii") as file:
        file.write(url)
    child = os.fork()
    if child:
        with open(os.path.join(FOLDER, "pid"), "w", encoding="ascii") as file:
            file.write(str(child))
        print(url)
        return
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    # Nobody who forgets to end it has it for ever.
    server.timeout = 1
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        server.handle_request()


main()
