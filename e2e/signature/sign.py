"""Signs a request with `http-message-signatures`, which is not ours, and prints the fields that it adds."""

import json
import sys
import types

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

asked = json.load(sys.stdin)


class Keys(HTTPSignatureKeyResolver):
    def resolve_private_key(self, key_id):
        if asked["algorithm"] == "HMAC_SHA256":
            return asked["key"].encode()
        return load_pem_private_key(asked["key"].encode(), password=None)


headers = dict(asked["headers"])
message = types.SimpleNamespace(method=asked["method"], url=asked["url"], headers=headers)
signer = HTTPMessageSigner(signature_algorithm=getattr(algorithms, asked["algorithm"]), key_resolver=Keys())
more = {"nonce": asked["nonce"]} if asked.get("nonce") else {}
if asked.get("body"):
    more["body"] = asked["body"].encode()
signer.sign(message, key_id=asked["key_id"], covered_component_ids=asked["components"], label="sig", **more)
for name, value in message.headers.items():
    print(f"{name}: {value}")
