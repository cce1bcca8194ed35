#!/usr/bin/env python3
"""A proxy in front of a registry that breaks what it is told to break.

    faultproxy.py HOST:PORT RULES [CERTIFICATE KEY]

It listens on a free loopback port, which it prints, and ends with its standard input. With a
certificate it speaks HTTPS. RULES is a JSON file, read anew for each request: a list of

    {"match": "regular expression for 'METHOD /path'", "do": ACTION, "argument": X, "body": "...", "headers": {}}

of which the first that matches counts; with `"times": N` it does only N times, and with `"unless": PATTERN` not
to who sends an `Authorization` like that (it is empty where there is none). The actions:

    status    answer with the status X
    replace   answer with `body` as if the registry had
    corrupt   flip the bits of the byte at offset X of the answer
    truncate  send X bytes of the answer, then close
    close     close without an answer
    hang      never answer
    stall     send X bytes of the answer, and then nothing more
    trickle   send the answer in pieces of X bytes, one every 300 ms
"""

import collections
import http.client
import http.server
import json
import os
import re
import socket
import ssl
import sys
import threading
import time

UPSTREAM, RULES, *TLS = sys.argv[1:]


LOCK = threading.Lock()
USED = collections.Counter()


def rule(request, authorization):
    with LOCK, open(RULES, encoding="utf-8") as file:
        # New rules are a new file, and begin anew.
        written = os.fstat(file.fileno()).st_mtime_ns
        for number, rule in enumerate(json.load(file)):
            is_excepted = "unless" in rule and re.search(rule["unless"], authorization)
            if re.search(rule["match"], request) and not is_excepted and USED[written, number] < rule.get("times", sys.maxsize):
                USED[written, number] += 1
                return rule
    return {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def drop(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def wait_for_end(self):
        while self.connection.recv(65536):
            pass

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def request_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def forward(self, body):
        upstream = http.client.HTTPConnection(UPSTREAM, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        # One by one: a client sends several `Accept`.
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                upstream.putheader(name, value)
        if TLS:
            # So that the addresses it answers with are ours.
            upstream.putheader("X-Forwarded-Proto", "https")
        upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body)
        response = upstream.getresponse()
        content = response.read()
        own = ("connection", "transfer-encoding", "date") + (() if self.command == "HEAD" else ("content-length",))
        return response.status, [(k, v) for k, v in response.getheaders() if k.lower() not in own], content

    def handle_request(self):
        try:
            self.serve(rule(f"{self.command} {self.path}", self.headers.get("Authorization", "")))
        except OSError:
            # The client, or this proxy for it, has gone.
            self.close_connection = True

    def serve(self, fault):
        action, argument = fault.get("do"), fault.get("argument")
        if action == "hang":
            self.wait_for_end()
            return self.drop()
        if action == "close":
            return self.drop()
        body = self.request_body()
        if action == "status":
            return self.answer(argument, fault.get("headers", {}).items(), fault.get("body", "").encode())
        status, headers, content = self.forward(body)
        if action == "replace":
            content = fault["body"].encode()
        if action == "corrupt":
            content = bytearray(content)
            content[argument] ^= 0xFF
        if action in ("truncate", "stall", "trickle"):
            self.send_response_only(status)
            for name, value in [*headers, ("Content-Length", str(len(content)))]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[:argument])
            if action == "stall":
                self.wait_for_end()
            for start in range(argument, len(content) if action == "trickle" else 0, argument):
                time.sleep(0.3)
                self.wfile.write(content[start : start + argument])
            return self.drop()
        if self.command == "HEAD":
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            return self.end_headers()
        self.answer(status, headers, bytes(content))

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = handle_request


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        # A client that refuses our certificate is no error here.
        pass


server = Server(("127.0.0.1", 0), Handler)
if TLS:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*TLS)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
os._exit(0)
