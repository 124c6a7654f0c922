"""Reads what the gate was sent and what it forwarded with two parsers that are not ours, and names every difference.

    differential.py CASES       CASES has one JSON object a line, {"number", "sent", "statuses", "arrived", "complete"}, bytes in hex

h11 is written in Python from the RFC's grammar; llhttp (here in httptools) is the parser of Node. Prints `{"checked", "accepted", "faults"}`.
"""

import ipaddress
import json
import re
import sys

import h11
import httptools

# What the gate itself writes (docs, "What a backend receives").
OURS = re.compile(rb"(host|content-length|transfer-encoding|traceparent|x-request-id|x-forwarded-\w+|x-auth-\w+)$")
# llhttp knows these methods and no others; what it says of a request with another one says nothing about framing.
KNOWN = {b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"}


class Request:
    def __init__(self, method, target, fields, body):
        self.method, self.target, self.fields, self.body = method, target, fields, body

    def values(self, name):
        return [value for known, value in self.fields if known == name]

    def meaning(self):
        """What the backend would act on: method, path and query in one spelling, host, body."""
        authority, target = split(self.target)
        hosts = [canonical_host(value) for value in self.values(b"host")]
        if authority is not None:
            hosts.append(canonical_host(authority))
        return self.method, canonical_path(target), sorted(set(hosts)), self.body

    def means(self, forwarded):
        """HTTP/1.0 knows requests without a host; what is forwarded has one of the endpoint's."""
        ours, theirs = self.meaning(), forwarded.meaning()
        return ours == theirs or (not ours[2] and (ours[:2], ours[3]) == (theirs[:2], theirs[3]))


def split(target):
    match = re.match(rb"(?i)https?://([^/?]*)(.*)", target, re.S)
    if not match:
        return None, target
    rest = match[2]
    return match[1], rest if rest.startswith(b"/") else b"/" + rest


def canonical_path(target):
    path, mark, query = target.partition(b"?")

    def unescaped(match):
        byte = bytes.fromhex(match[1].decode())
        return byte if re.match(rb"[A-Za-z0-9._~-]", byte) else b"%" + match[1].upper()

    # These are sent as they are, and forwarded escaped.
    path = re.sub(rb"[][|^]", lambda found: b"%%%02X" % found[0][0], path)
    return re.sub(rb"%([0-9A-Fa-f]{2})", unescaped, path) + mark + query


def canonical_host(value):
    name, port = re.match(rb"(\[[^]]*\]|[^:]*)(.*)", value.lower(), re.S).groups()
    if name.startswith(b"["):
        try:
            name = b"[%s]" % str(ipaddress.IPv6Address(name[1:-1].decode())).encode()
        except ValueError:
            pass
    # A dot at the end, a colon without a port and the usual ports change nothing.
    port = re.sub(rb"^:0*", b":", port)
    return re.sub(rb"(?<=.)\.$", b"", name) + (b"" if port in (b":", b":80", b":443") else port)


def by_h11(data):
    """The requests that h11 reads, and why it stopped, if it did not reach the end."""
    requests = []
    while True:
        # A server may skip an empty line before a request (RFC 9112 2.2); h11 refuses it.
        data = data[2:] if data.startswith(b"\r\n") else data
        request, end, data = one_by_h11(data)
        if request is not None:
            requests.append(request)
        if end or not data:
            return requests, end


def one_by_h11(data):
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    head, body = None, b""
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return None, None if head is None else "incomplete", b""
        request = Request(head.method, head.target, list(head.headers), body)
        connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        connection.send(h11.EndOfMessage())
        if connection.their_state is not h11.DONE or connection.our_state is not h11.DONE:
            return request, "closed", b""
        return request, None, bytes(connection.trailing_data[0])
    except h11.ProtocolError as fault:
        return None, f"refused: {fault}", b""


class Collector:
    def __init__(self):
        self.requests, self.started = [], False

    def on_message_begin(self):
        self.target, self.fields, self.body, self.started = b"", [], b"", True

    def on_url(self, piece):
        self.target += piece

    def on_header(self, name, value):
        self.fields.append((name.lower(), value.strip(b" \t")))

    def on_body(self, piece):
        self.body += piece

    def on_message_complete(self):
        self.started = False
        self.requests.append(Request(self.parser.get_method(), self.target, self.fields, self.body))


def by_llhttp(data):
    collector = Collector()
    collector.parser = httptools.HttpRequestParser(collector)
    try:
        collector.parser.feed_data(data)
        return collector.requests, "incomplete" if collector.started else None
    except httptools.HttpParserUpgrade:
        return collector.requests, "upgrade"
    except httptools.HttpParserError as fault:
        return collector.requests, f"refused: {fault}"


PARSERS = {"h11": by_h11, "llhttp": by_llhttp}


def faults_of(case):
    sent = bytes.fromhex(case["sent"])
    arrived = [bytes.fromhex(text) for text in case["arrived"]]
    if case["statuses"].count(200) != len(arrived):
        yield f"{len(arrived)} requests arrived for the answers {case['statuses']}"
        return
    for name, parse in PARSERS.items():
        passed = []
        for raw in arrived:
            requests, end = parse(raw)
            if method(raw) not in KNOWN and name == "llhttp":
                passed.append(None)
            elif len(requests) != 1 or end not in (None, "closed"):
                yield f"{name} reads {len(requests)} requests in what was forwarded ({end}): {raw!r}"
                return
            else:
                passed.append(requests[0])
        yield from differences(name, parse, sent, case["statuses"], passed)


def differences(name, parse, sent, statuses, passed):
    """What was accepted must be what `parse` reads in the client's own bytes, in the same place."""
    requests, end = parse(sent)
    passed = iter(passed)
    for place, status in enumerate(statuses):
        if status != 200:
            continue
        forwarded = next(passed)
        if forwarded is None:
            return
        if place >= len(requests):
            unknown = name == "llhttp" and end and "method" in end.lower()
            # The grammar has white space before a chunk extension (RFC 9112 7.1.1); both refuse it, and so read nothing else.
            blank = end and "chunk" in end and re.search(rb"\r\n[0-9A-Fa-f]+[ \t]+;", sent)
            if not unknown and not blank:
                yield f"request {place} was accepted, and {name} reads {len(requests)} ({end})"
            return
        original = requests[place]
        if not original.means(forwarded):
            yield f"{name} reads {original.meaning()} where {forwarded.meaning()} was forwarded"
        sent_fields = set(original.fields)
        for field in forwarded.fields:
            if field not in sent_fields and not OURS.match(field[0]):
                yield f"{name}: the field {field} was forwarded and never sent"


def method(raw):
    return raw.split(b" ", 1)[0]


def incomplete(raw):
    """A body that broke off: no parser may take it for a whole request."""
    for name, parse in PARSERS.items():
        requests, _ = parse(raw)
        if requests:
            yield f"{name} takes what broke off for a whole request: {raw!r}"


def main(path):
    checked, accepted, faults = 0, 0, []
    for line in open(path):
        case = json.loads(line)
        checked += 1
        if case["complete"]:
            found = list(faults_of(case))
            accepted += len(case["arrived"]) > 0
        else:
            found = [fault for raw in case["arrived"] for fault in incomplete(bytes.fromhex(raw))]
        faults += [{"number": case["number"], "fault": fault, "sent": repr(bytes.fromhex(case["sent"]))} for fault in found]
    print(json.dumps({"checked": checked, "accepted": accepted, "faults": faults[:20], "count": len(faults)}))


main(sys.argv[1])
