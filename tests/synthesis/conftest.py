import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TEXTS = {
    "alpha.md": "# Alpha\n\nThe mineral alphite melts at 412 degrees.\n",
    "beta.html": "<html><head><title>no</title></head><body><p>The mineral betite is <b>green</b>.</p></body></html>",
    "gamma.txt": "The mineral gammite was found in 1871.",
}


class Endpoint(ThreadingHTTPServer):
    """An LLM of few words: a text's fact is its last line; a test may put other answers first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.prompts: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.next: list[tuple[int, object]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def answer(self, prompt: str) -> str:
        last = prompt.strip().splitlines()[-1]
        if "Fact:\n" in prompt:
            pairs = [{"question": f"Way {i} to ask of {last}", "answer": last} for i in range(12)]
            return f"Here they are:\n```json\n{json.dumps(pairs)}\n```"
        return json.dumps([last])


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][0]["content"]
        self.server.prompts.append(prompt)
        self.server.headers.append(dict(self.headers))
        completion = {"choices": [{"message": {"content": self.server.answer(prompt)}}]}
        code, reply = self.server.next.pop(0) if self.server.next else (200, completion)
        if isinstance(reply, str) and code == 200:
            reply = {"choices": [{"message": {"content": reply}}]}
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder
