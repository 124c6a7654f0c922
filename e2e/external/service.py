"""An authorization service over gRPC (Envoy's `ext_authz` v3): grpcio with Envoy's generated messages. What it answers stands in the token."""

import json
import sys
import time
from concurrent import futures

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2 as auth
from envoy.service.auth.v3 import external_auth_pb2_grpc as rpc
from envoy.type.v3 import http_status_pb2
from google.rpc import status_pb2

ALICE = {"x-auth-subject": "alice", "x-auth-roles": "staff, guests", "X-Auth-Scopes": "orders:read,other", "x-tenant": "acme"}


def options(headers):
    return [base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=key, value=value)) for key, value in headers.items()]


def ok(headers, code=0, **more):
    return auth.CheckResponse(status=status_pb2.Status(code=code), ok_response=auth.OkHttpResponse(headers=options(headers), **more))


def denied(status, code=7, headers={}, body=""):
    told = http_status_pb2.HttpStatus(code=status)
    return auth.CheckResponse(
        status=status_pb2.Status(code=code),
        denied_response=auth.DeniedHttpResponse(status=told, headers=options(headers), body=body),
    )


def changing():
    """Asks for everything that it could ask for beside the caller."""
    forged = {"host": "evil.example", "content-length": "7", "transfer-encoding": "chunked", "connection": "close", "x-auth-attr-tenant": "evil", "x-forwarded-for": "1.2.3.4", "x-injected": "1"}
    return ok(
        {**ALICE, **forged},
        headers_to_remove=["x-kept", "x-request-id"],
        response_headers_to_add=options({"set-cookie": "a=1"}),
        query_parameters_to_set=[base_pb2.QueryParameter(key="admin", value="1")],
    )


ANSWERS = {
    "alice": lambda: ok(ALICE),
    "changing": changing,
    "nobody": lambda: ok({}),
    "bare": lambda: auth.CheckResponse(status=status_pb2.Status(code=0)),
    "no-status": lambda: auth.CheckResponse(ok_response=auth.OkHttpResponse(headers=options(ALICE))),
    "nothing": lambda: auth.CheckResponse(),
    "both": lambda: ok(ALICE, code=7),
    "denied-0": lambda: denied(403, code=0),
    "denied-200": lambda: denied(200),
    "denied-401": lambda: denied(401, code=16),
    "denied-403": lambda: denied(403, body="why"),
    "denied-500": lambda: denied(500),
    "login": lambda: denied(302, headers={"location": "https://login.example/", "set-cookie": "state=1", "x-internal": "s"}),
    "plain-7": lambda: auth.CheckResponse(status=status_pb2.Status(code=7)),
    "plain-16": lambda: auth.CheckResponse(status=status_pb2.Status(code=16)),
    "plain-14": lambda: auth.CheckResponse(status=status_pb2.Status(code=14)),
    "large": lambda: ok({**ALICE, "x-large": "x" * 100_000}),
}


class Service(rpc.AuthorizationServicer):
    def Check(self, request, context):
        http = request.attributes.request.http
        told = {name: getattr(http, name) for name in ("method", "path", "host", "scheme", "body")}
        told["client"] = request.attributes.source.address.socket_address.address
        told["headers"] = dict(http.headers)
        print(json.dumps(told), flush=True)
        token = http.headers.get("authorization", "").removeprefix("Bearer ").split(".")[0]
        if token == "slow":
            time.sleep(3)
        if token.startswith("abort-"):
            context.abort(grpc.StatusCode[token.removeprefix("abort-")], "no")
        return ANSWERS.get(token, ANSWERS["alice"])()


server = grpc.server(futures.ThreadPoolExecutor(8))
rpc.add_AuthorizationServicer_to_server(Service(), server)
address, *certificate = sys.argv[1:]
if certificate:
    pem, key = (open(file, "rb").read() for file in certificate)
    server.add_secure_port(address, grpc.ssl_server_credentials([(key, pem)]))
else:
    server.add_insecure_port(address)
server.start()
print("ready", flush=True)
server.wait_for_termination()
