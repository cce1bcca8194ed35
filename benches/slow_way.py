"""A way to a registry on which every request takes so long: `slow_way.py PORT TO_PORT MILLISECONDS`.

What a client sends in one go waits as a whole, and the answers do not; connections stay as they are.
"""

import socket
import sys
import threading
import time

PORT, TO, DELAY = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) / 1000


def pass_on(source, target, delay):
    try:
        while data := source.recv(1 << 20):
            time.sleep(delay)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()
        target.close()


server = socket.create_server(("127.0.0.1", PORT), backlog=256)
while True:
    client, _ = server.accept()
    upstream = socket.create_connection(("127.0.0.1", TO))
    for end in (client, upstream):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=pass_on, args=(client, upstream, DELAY), daemon=True).start()
    threading.Thread(target=pass_on, args=(upstream, client, 0), daemon=True).start()
