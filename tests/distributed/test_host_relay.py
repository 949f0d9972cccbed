"""JAX's traffic passes through, and does not notice that the other side is gone."""

import socket

from pellucid.distributed.meeting import Lobby
from pellucid.distributed.relay import Relay, free_port


def test_what_passes_and_what_does_not():
    at = f"127.0.0.1:{free_port()}"
    lobby = Lobby(at, 2, {})
    with socket.create_server(("127.0.0.1", 0)) as service:
        lobby.service_port = service.getsockname()[1]
        relay = Relay(lambda: socket.create_connection(("127.0.0.1", int(at.partition(":")[2]))))
        client = socket.create_connection(("127.0.0.1", relay.port))
        client.sendall(b"question")
        serving, _ = service.accept()
        assert serving.recv(100) == b"question"
        serving.sendall(b"answer")
        assert client.recv(100) == b"answer"
        serving.close()
        client.settimeout(0.2)
        try:
            closed = client.recv(100) == b""
        except TimeoutError:
            closed = False
        assert not closed  # the client has not been told
        client.close()
        relay.close()
    lobby.close()


def test_nobody_is_there_yet():
    relay = Relay(lambda: socket.create_connection(("127.0.0.1", free_port())))
    with socket.create_connection(("127.0.0.1", relay.port)) as client:
        assert client.recv(100) == b""  # so that it tries again
    relay.close()
