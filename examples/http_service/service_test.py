"""What the service answers, refuses, counts, and does when it is told to stop. Usage: service_test.py HTTP_SERVICE REGNET SOURCE_DIR"""

import collections
import http.client
import json
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib


class Service:
    """A running service, and the tally of what it answered to POST /classify."""

    def __init__(self, program: str, weights: str, *options: str):
        self.process = subprocess.Popen([program, weights, "--port", "0", *options], stdout=subprocess.PIPE, text=True)
        self.port = int(re.fullmatch(r"listening on 127.0.0.1:(\d+)\n", self.process.stdout.readline())[1])
        self.tally = collections.Counter()
        self.lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def classify(self, body, headers={}, connection=None):
        """Returns status, headers and what the JSON says."""
        connection = connection or self.connect()
        connection.request("POST", "/classify", body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        with self.lock:
            self.tally[response.status] += 1
        return response.status, response.headers, answer

    def raw(self, request: bytes) -> bytes:
        """The whole answer to bytes that http.client would not send."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(4096):
                answer += part
        with self.lock:
            self.tally[int(answer.split()[1])] += 1
        return answer

    def get(self, path: str) -> str:
        connection = self.connect()
        connection.request("GET", path)
        return connection.getresponse().read().decode()

    def metric(self, name: str) -> float:
        return float(re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics"), re.M)[1])

    def check_counts(self):
        counted = re.findall(r'^regnet_classify_answers_total\{code="(\d+)"\} (\d+)$', self.get("/metrics"), re.M)
        assert {int(code): int(count) for code, count in counted} == dict(self.tally), (counted, self.tally)
        assert self.metric("regnet_classify_seconds_count") == self.tally[200]
        assert self.metric("regnet_classify_rejects_total") == self.tally[503]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0 and self.process.stdout.read() == "stopped\n"


def side_by_side(count: int, body) -> list:
    """What body(0), body(1), ... return, each in a thread of its own, in the order in which they came to their ends."""
    results = []
    threads = [threading.Thread(target=lambda i=i: results.append(body(i))) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == count, "a request was lost"
    return results


def png(width: int, height: int, rows: bytes) -> bytes:
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def right_answers(service: Service, regnet: str, weights: str, images: list):
    predict = [regnet, "predict", "-q", "-o", "json", "--threads", "1", "--weights", weights, *map(str, images)]
    expected = [answer["top"] for answer in json.loads(subprocess.run(predict, check=True, stdout=subprocess.PIPE).stdout)]

    def client(number: int):
        connection = service.connect()  # stays open
        for i, image in enumerate(images):
            status, headers, answer = service.classify(image.read_bytes(), {"X-Request-Id": f"{number}/{i}"}, connection)
            assert status == 200 and answer["top"] == expected[i] and headers["X-Request-Id"] == f"{number}/{i}", (image, answer)
        return number

    assert sorted(side_by_side(8, client)) == list(range(8))


def refusals(service: Service, source: pathlib.Path, picture: bytes):
    def refused(status: int, message: str, body, headers={}):
        found, _, answer = service.classify(body, headers)
        assert found == status and list(answer) == ["error"] and message in answer["error"] and "\n" not in answer["error"], (found, answer)

    refused(400, "expected a JPEG or PNG image, found an empty file", b"")
    refused(400, "found neither's first bytes", b"\0" * 1000)
    refused(400, "found WebP", b"RIFF\0\0\0\0WEBPVP8 ")
    refused(400, "PNG: ", picture[:-40])
    refused(400, "JPEG: ", (source / "tests/golden/images/truncated.jpg").read_bytes())
    refused(400, "", png(60000, 60000, b""))  # claims ten gigabytes
    refused(413, "expected at most 100000 bytes", b"x" * 100001)
    refused(413, "expected at most 100000 bytes", (b"x" * 10000 for _ in range(11)))  # chunked, without a length
    refused(415, "--data-binary", picture, {"Content-Encoding": "gzip"})
    refused(415, "--data-binary", b"--x\r\n\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"})
    post = b"POST /classify HTTP/1.1\r\nHost: x\r\n"
    # The connection is closed after these, or the rest of a body would be read as a request.
    for status, rest in ((b"411", b"\r\n"), (b"400", b"Transfer-Encoding: chunked\r\n\r\nno number\r\n"), (b"415", b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nhalf")):
        answer = service.raw(post + rest)
        assert b" " + status + b" " in answer and b"\r\nConnection: close\r\n" in answer, answer
    # A connection goes on after a refusal that has read the whole body.
    connection = service.connect()
    assert [service.classify(body, {}, connection)[0] for body in (b"x", b"x" * 200000, picture)] == [400, 413, 200]
    assert "expected POST /classify" in service.get("/other")


def full_queue(program: str, weights: str, slow: bytes):
    with Service(program, weights, "--workers", "1", "--queue", "2", "--timeout-ms", "60000") as service:
        answers = side_by_side(12, lambda _: service.classify(slow))
        assert all(status in (200, 503) for status, _, _ in answers) and service.tally[200] >= 2 and service.tally[503] >= 1, service.tally
        assert all(headers["Retry-After"] == "1" and "waiting" in answer["error"] for status, headers, answer in answers if status == 503)
        assert answers[0][0] == 503, "a request was not refused at once"
        service.check_counts()
        service.stop()


def too_late(program: str, weights: str, slow: bytes):
    with Service(program, weights, "--workers", "1", "--queue", "100", "--timeout-ms", "500") as service:
        answers = side_by_side(20, lambda _: service.classify(slow))
        assert service.tally[504] >= 1 and set(service.tally) <= {200, 504}, service.tally
        assert all("no answer after 500 ms" in answer["error"] for status, _, answer in answers if status == 504)
        # Neither a body that stops nor one that never ends holds a connection for longer.
        half = service.raw(b"POST /classify HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
        assert b" 408 " in half and b"\r\nConnection: close\r\n" in half and b"the body was not there after 500 ms" in half, half
        service.check_counts()
        service.stop()


def stop_in_the_middle(program: str, weights: str, slow: bytes):
    with Service(program, weights, "--workers", "1", "--timeout-ms", "60000") as service:
        idle = service.connect()
        idle.connect()
        in_queue = None
        while not in_queue or not in_queue.is_alive():  # again, should a slow machine send the last request after the first one's answer
            in_queue = threading.Thread(target=lambda: side_by_side(6, lambda _: service.classify(slow)))
            in_queue.start()
            while in_queue.is_alive() and service.metric("regnet_queue_depth") < 5:
                time.sleep(0.01)
        service.process.send_signal(signal.SIGTERM)
        while True:  # until it does not listen any more
            try:
                service.get("/healthz")
            except ConnectionError:
                break
        idle.request("GET", "/healthz")
        response = idle.getresponse()
        assert response.status == 503 and response.headers["Connection"] == "close" and response.read() == b"stopping\n"
        in_queue.join()
        assert set(service.tally) == {200} and service.tally[200] % 6 == 0, service.tally
        assert service.process.wait(60) == 0 and service.process.stdout.read() == "stopped\n"


def main() -> int:
    program, regnet, source = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    weights = str(source / "demo/regnetx_fashion.safetensors")
    images = sorted((source / "demo/images").glob("*/*0.png"))[:40] + [source / "tests/golden/images" / name for name in ("rgb.png", "420.jpg", "cmyk.jpg")]
    slow = png(6000, 6000, b"\0" * 6000 * 18001)  # a hundred kilobytes that take long to decode
    with Service(program, weights, "--max-bytes", "100000") as service:
        assert service.get("/healthz") == "ok\n"
        right_answers(service, regnet, weights, images)
        refusals(service, source, images[0].read_bytes())
        service.check_counts()
        second = subprocess.run([program, weights, "--port", str(service.port)], stderr=subprocess.PIPE, text=True, timeout=60)
        assert second.returncode == 2 and second.stderr == f"http_service: cannot listen on 127.0.0.1:{service.port}\n", second
        service.stop()
    full_queue(program, weights, slow)
    too_late(program, weights, slow)
    stop_in_the_middle(program, weights, slow)
    return 0


if __name__ == "__main__":
    sys.exit(main())
