"""Signs the tokens of the benchmark. Needs the package `cryptography`; `run` calls it with the Python in .tools/venv.

    sign_tokens.py DIRECTORY COUNT

writes key.pub.pem, jwks.json, gate.json (one good token and the ones to refuse) and tokens.txt (COUNT distinct good ones).
"""

import base64
import json
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER, AUDIENCE, KEY_ID = "https://bench.example", "bench", "bench-1"
TEN_YEARS = 10 * 365 * 86_400


def main(directory: Path, count: int) -> None:
    now = int(time.time())
    key, other_key = new_key(), new_key()
    public = key.public_key()
    (directory / "key.pub.pem").write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (directory / "jwks.json").write_text(json.dumps({"keys": [jwk(public.public_numbers())]}))
    (directory / "gate.json").write_text(json.dumps(gate_tokens(key, other_key, now)))
    with open(directory / "tokens.txt", "w") as out:
        for number in range(count):
            out.write(signed(key, claims(now, subject=f"user-{number:06d}")) + "\n")
    (directory / "made.json").write_text(json.dumps({"count": count, "expires": now + TEN_YEARS}))


def gate_tokens(key, other_key, now: int) -> dict:
    good = claims(now, subject="gate")
    return {
        "good": signed(key, good),
        "refused": {
            "a token signed by another key": signed(other_key, good),
            "an expired token": signed(key, {**good, "iat": now - 7200, "exp": now - 3600}),
            "a token of another issuer": signed(key, {**good, "iss": "https://other.example"}),
            "a token for another audience": signed(key, {**good, "aud": "other"}),
            "a token without the role": signed(key, {**good, "roles": ["GUEST"]}),
        },
    }


def claims(now: int, subject: str) -> dict:
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": now,
        "exp": now + TEN_YEARS,
        "jti": f"{subject}-{now}",
        "roles": ["USER"],
    }


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed(key, payload: dict) -> str:
    header = {"alg": "RS256", "typ": "at+jwt", "kid": KEY_ID}
    text = f"{encoded(compact(header))}.{encoded(compact(payload))}"
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{encoded(signature)}"


def jwk(numbers) -> dict:
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": encoded(modulus), "e": "AQAB"}


def compact(value: dict) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
