#!/usr/bin/env python3
"""A backend that believes only tokens that the gate signed for it: `python3 backend.py 7001`. Needs PyJWT with cryptography."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

GATE = "http://localhost:8080"
KEYS = jwt.PyJWKClient(f"{GATE}/.well-known/jwks.json")


def caller(authorization):
    scheme, _, token = (authorization or "").partition(" ")
    if scheme != "Bearer":
        raise jwt.InvalidTokenError("no token")
    key = KEYS.get_signing_key_from_jwt(token)
    return jwt.decode(token, key, algorithms=["EdDSA"], audience="orders", issuer=GATE, options={"require": ["exp", "sub"]})


class Orders(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, answer = 200, caller(self.headers["Authorization"])
        except jwt.PyJWTError as error:
            status, answer = 401, {"refused": str(error)}
        body = (json.dumps(answer, indent=2) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Orders).serve_forever()
