"""The TLS certificate of a local cloud, signed by a certificate authority of its own."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# The wildcards are for clients that put a bucket name in front of the host name.
_HOST_NAMES = ("localhost", "*.localhost", "*.s3.localhost")
_VALIDITY = timedelta(days=825)  # the longest validity that Apple's systems accept
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True)
class CertificateFiles:
    """The PEM files of a server certificate.

    Attributes:
        certificate: The certificate that the server presents.
        key: Its private key.
        ca_bundle: The certificate authorities that a client must trust to verify it.
    """

    certificate: Path
    key: Path
    ca_bundle: Path


def create_certificate(folder: Path) -> CertificateFiles:
    """Create an authority and a server certificate for 127.0.0.1, and write them to `folder`.

    The bundle also contains the public authorities, because clients use it in place of their own
    bundle. The authority's key is discarded, so it can never sign another certificate.

    Returns:
        The files that were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = CertificateFiles(folder / "server.pem", folder / "server.key", folder / "bundle.pem")
    authority_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority = _sign_authority(authority_key)
    certificate = _sign_server_certificate(key, authority, authority_key)
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    files.ca_bundle.write_bytes(
        authority.public_bytes(Encoding.PEM) + Path(certifi.where()).read_bytes()
    )
    return files


def _sign_authority(key: EllipticCurvePrivateKey) -> x509.Certificate:
    name = _common_name("The local cloud's authority")
    return (
        _certificate_builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(is_authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )


def _sign_server_certificate(
    key: EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: EllipticCurvePrivateKey,
) -> x509.Certificate:
    return (
        _certificate_builder(_common_name("The local cloud"), authority.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
                    *(x509.DNSName(name) for name in _HOST_NAMES),
                ]
            ),
            critical=False,
        )
        .sign(authority_key, SHA256())
    )


def _certificate_builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _VALIDITY)
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
