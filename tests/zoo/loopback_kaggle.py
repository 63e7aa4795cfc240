"""Kaggle's models on the loopback interface: the part of its interface that `kagglehub` uses for them."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def serving(models):
    """`{"owner/model/framework/variation": {version: folder}}`; gives a server with `address` and `requested`.

    Its `status`, where it is set, is what it answers.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self):
            server.blobs[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self):
            data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            action = self.path.rpartition("/")[2]
            server.requested.append(action)
            body, kind = answer(server, models, action, data), "application/json"
            status = server.status or (404 if body is None else 200)
            if isinstance(body, bytes) and status == 200:
                kind = "application/octet-stream"
            else:
                body = json.dumps(body if status == 200 else {"code": status, "message": "refused"}).encode()
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.requested, server.status = True, [], None
    server.blobs, server.created = {}, []
    server.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def answer(server, models, action, data):
    if action == "StartBlobUpload":
        token = f"/{len(server.blobs)}/{data['name']}"
        return {"token": token, "createUrl": server.address + token}
    if action.startswith("Create"):
        server.created.append((action, data))
        return {}
    if action == "GetModel":
        return None
    frameworks = {"MODEL_FRAMEWORK_KERAS": "keras", "keras": "keras"}
    name = "/".join((data["ownerSlug"], data["modelSlug"], frameworks[data["framework"]], data["instanceSlug"]))
    versions = models.get(name)
    if versions is None:
        return None
    if action == "GetModelInstance":
        return {"versionNumber": max(versions)}
    folder = versions.get(data["versionNumber"])
    if folder is None:
        return None
    if action == "ListModelInstanceVersionFiles":
        files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        return {"files": [{"name": name} for name in files], "nextPageToken": ""}
    assert action == "DownloadModelInstanceVersion", action
    return (folder / data["path"]).read_bytes()
