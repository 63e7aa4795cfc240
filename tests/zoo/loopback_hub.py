"""A Hugging Face Hub on the loopback interface that serves folders: what `huggingface_hub` asks for, and no more."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextlib.contextmanager
def serving(repositories):
    """`{"owner/name": folder}` on a port of its own; gives `(address, requested)`, the latter a list of paths."""
    requested = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = unquote(urlsplit(self.path).path)
            requested.append(f"{self.command} {path}")
            status, body, headers = answer(repositories, path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requested
    finally:
        server.shutdown()
        server.server_close()


def answer(repositories, path):
    for name, folder in repositories.items():
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        if (
            path.startswith((f"/api/models/{name}/revision/", f"/api/models/{name}/tree/"))
            or path == f"/api/models/{name}"
        ):
            names = [file.relative_to(folder).as_posix() for file in files]
            if "/tree/" in path:
                listed = [
                    {"type": "file", "path": n, "size": (folder / n).stat().st_size, "oid": "0" * 40} for n in names
                ]
            else:
                listed = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": n} for n in names]}
            return 200, json.dumps(listed).encode(), {"Content-Type": "application/json"}
        prefix = f"/{name}/resolve/"
        if path.startswith(prefix):
            file = folder / path.removeprefix(prefix).partition("/")[2]
            if file in files:
                body = file.read_bytes()
                tag = hashlib.sha1(body).hexdigest()
                return (
                    200,
                    body,
                    {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Content-Type": "application/octet-stream"},
                )
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
    return (
        404,
        b'{"error": "Repository not found"}',
        {"X-Error-Code": "RepoNotFound", "Content-Type": "application/json"},
    )
