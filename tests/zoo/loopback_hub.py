"""A Hugging Face Hub on the loopback interface: the part of its HTTP interface that the real `huggingface_hub` uses.

Repositories are folders. Downloads: model info, tree, `resolve` with ETag, ranges, and redirects of large files to
another host. Uploads: creation, branches, preupload, LFS batches, one commit. Faults can be ordered for later requests.
Under `/files/` it serves files as any web server does.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".h5", ".bin", ".pth", ".pt")  # what a repository keeps as LFS files


@dataclass
class Fault:
    """What happens to the next `times` requests whose `METHOD /path` the pattern is found in.

    status, headers   the answer, in place of the right one
    after             bytes of the body after which the connection is cut
    length            bytes of the body, all said to be there are
    changed           whether the first byte of the body is another one
    pause             seconds before each 64 kB of the body, or before an answer without one
    """

    pattern: str
    times: int = 1
    status: int | None = None
    headers: dict = field(default_factory=dict)
    after: int | None = None
    length: int | None = None
    changed: bool = False
    pause: float = 0


@dataclass
class Hub:
    """A running server. Unpacks to `(address, requested)`, the latter the requests so far, `METHOD /path`."""

    repositories: dict
    files: dict = field(default_factory=dict)  # {"x.zip": bytes} below /files/; a str is a redirect to it
    renamed: dict = field(default_factory=dict)  # {old name: new name}
    gated: set = field(default_factory=set)
    private: set = field(default_factory=set)
    more: dict = field(default_factory=dict)  # {name: bytes} of files that every repository claims to have
    lies: dict = field(default_factory=dict)  # what model infos say in place of the truth
    token: str = "hf_right"
    folder: Path | None = None  # where repositories that are created go
    address: str = ""
    requested: list = field(default_factory=list)
    ranges: list = field(default_factory=list)  # (path, Range header)
    bodies: int = 0  # bytes of bodies sent
    faults: list = field(default_factory=list)
    uploaded: dict = field(default_factory=dict)  # LFS objects by hash
    commits: list = field(default_factory=list)  # (name, revision, summary)

    def __iter__(self):
        return iter((self.address, self.requested))

    def order(self, pattern, **what):
        self.faults.append(Fault(pattern, **what))

    def fault(self, request):
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, request):
                fault.times -= 1
                return fault
        return None

    def url(self, name):
        return f"{self.address}/files/{name}"


@contextlib.contextmanager
def serving(repositories, **settings):
    """`{"owner/name": folder}` on a port of its own, or `{"owner/name": {revision: folder}}`; gives the `Hub`."""
    hub = Hub(dict(repositories), **settings)
    handler = type("HandlerOfHub", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def contents(folder):
    """`{name: bytes}` of a repository's files."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def commit_of(folder):
    words = [f"{name} {git_hash(data)}" for name, data in contents(folder).items()]
    return hashlib.sha1("\n".join(words).encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.path = urlsplit(self.path).path
        request = f"{self.command} {unquote(self.path)}"
        self.hub.requested.append(request)
        if self.headers.get("Range"):
            self.hub.ranges.append((unquote(self.path), self.headers["Range"]))
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        fault = self.hub.fault(request)
        if fault is not None and fault.status is not None:
            time.sleep(fault.pause)
        with contextlib.suppress(ConnectionError):
            if fault is not None and fault.status is not None:
                self.send(fault.status, b"{}", fault.headers, None)
            else:
                self.send(*self.answer(), fault)

    do_HEAD = do_POST = do_PUT = do_GET

    def send(self, status, body, headers, fault):
        if isinstance(body, dict | list):
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json"} | headers
        if status == 200 and self.command == "GET" and "ETag" in headers:
            status, body, headers = self.ranged(body, headers)
        self.send_response(status)
        stated = len(body) if fault is None or fault.length is None else fault.length
        for name, value in {"Content-Length": str(stated), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is None:
            fault = Fault("")
        if fault.changed:
            body = bytes([body[0] ^ 1]) + body[1:]
        end = min(len(body), *(n for n in (fault.after, fault.length, len(body)) if n is not None))
        for start in range(0, end, 65536):
            time.sleep(fault.pause)
            piece = body[start : min(end, start + 65536)]
            self.wfile.write(piece)
            self.hub.bodies += len(piece)
        if fault.after is not None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def ranged(self, body, headers):
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if found is None:
            return 200, body, headers
        start, end = int(found[1]), min(int(found[2] or len(body)), len(body))
        if start >= len(body):
            return 416, b"", {"Content-Range": f"bytes */{len(body)}"}
        return 206, body[start:end], headers | {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"}

    def answer(self):
        if self.path.startswith("/files/"):
            return self.file()
        if self.path.startswith("/storage/"):
            return self.stored()
        if self.path == "/api/repos/create":
            return self.create()
        if self.path == "/api/validate-yaml":  # the head of a README.md, before it is uploaded
            return 200, {"errors": [], "warnings": []}, {}
        found = re.fullmatch(r"(?:/api/models)?/([\w.-]+/[\w.-]+?)(?:\.git)?(?:/(.*))?", self.path)
        name, rest = found[1], found[2] or ""
        if name in self.hub.renamed:
            target = self.path.replace(name, self.hub.renamed[name], 1)
            return 307, b"", {"Location": target}
        right = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if name not in self.hub.repositories or (name in self.hub.private and not right):
            return 404 if right else 401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        if self.command in ("POST", "PUT"):
            if not right:
                return 401, {"error": "Invalid username or password."}, {}
            return self.write(name, rest)
        if name in self.hub.gated and not right and "/resolve/" in self.path:
            return 403, {"error": "Access to model is restricted"}, {"X-Error-Code": "GatedRepo"}
        return self.read(name, rest)

    def file(self):
        body = self.hub.files.get(unquote(self.path.removeprefix("/files/")))
        if isinstance(body, str):
            return 302, b"", {"Location": body}
        if body is None:
            return 404, b"", {}
        return 200, body, {"ETag": '"x"', "Content-Type": "application/octet-stream"}

    def stored(self):
        """Storage on another host, as the hub's links to large files lead to."""
        wanted = self.path.removeprefix("/storage/")
        if self.command == "PUT":
            assert sha256(self.body) == wanted
            self.hub.uploaded[wanted] = self.body
            return 200, b"", {}
        assert self.headers.get("Authorization") is None  # the token is not for others
        for revisions in self.hub.repositories.values():
            for folder in set(revisions.values() if isinstance(revisions, dict) else [revisions]):
                for data in contents(folder).values():
                    if sha256(data) == wanted:
                        return 200, data, {"ETag": f'"{wanted}"'}
        return 404, b"", {}

    def folder_of(self, name, revision):
        revisions = self.hub.repositories[name]
        revisions = revisions if isinstance(revisions, dict) else {"main": revisions}
        by_commit = {commit_of(folder): folder for folder in revisions.values()}
        return revisions.get(revision) or by_commit.get(revision)

    def read(self, name, rest):
        found = re.fullmatch(r"(?:(revision|tree|resolve)/)?(refs/\w+/[^/]+|[^/]*)(?:/(.*))?", rest)
        kind, revision, path = found[1] or "revision", unquote(found[2] or "main"), unquote(found[3] or "")
        folder = self.folder_of(name, revision)
        if folder is None:
            return 404, {"error": "Revision not found"}, {"X-Error-Code": "RevisionNotFound"}
        files, commit = contents(folder) | self.hub.more, commit_of(folder)
        if kind == "resolve":
            return self.resolve(files, path, commit)
        described = [describe(file, data, kind) for file, data in files.items()]
        info = {"id": name, "sha": commit, "siblings": described} | self.hub.lies
        return 200, described if kind == "tree" else info, {}

    def resolve(self, files, path, commit):
        headers = {"X-Repo-Commit": commit}
        if path not in files:
            return 404, {"error": "Entry not found"}, headers | {"X-Error-Code": "EntryNotFound"}
        data = files[path]
        if not path.endswith(LARGE):
            return 200, data, headers | {"ETag": f'"{git_hash(data)}"'}
        other = self.hub.address.replace("127.0.0.1", "localhost")
        linked = {"X-Linked-Etag": f'"{sha256(data)}"', "X-Linked-Size": str(len(data))}
        return 302, b"", headers | linked | {"Location": f"{other}/storage/{sha256(data)}"}

    def create(self):
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return 401, {"error": "Invalid username or password."}, {}
        data = json.loads(self.body)
        name = f"{data.get('organization') or 'me'}/{data['name']}"
        if name in self.hub.repositories:
            return 409, {"error": "You already created this model repo", "url": f"{self.hub.address}/{name}"}, {}
        folder = self.hub.folder / name.replace("/", "--")
        folder.mkdir(parents=True)
        self.hub.repositories[name] = {"main": folder}
        if data.get("private") or data.get("visibility") == "private":
            self.hub.private.add(name)
        return 200, {"url": f"{self.hub.address}/{name}", "id": name}, {}

    def write(self, name, rest):
        action, _, more = rest.partition("/")
        more = unquote(more)
        if action == "branch":
            self.hub.repositories[name].setdefault(more, self.hub.repositories[name]["main"])
            return 200, {}, {}
        if action == "preupload":
            files = json.loads(self.body)["files"]
            modes = [
                {"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(LARGE) else "regular"} for f in files
            ]
            return 200, {"files": [mode | {"shouldIgnore": False, "oid": None} for mode in modes]}, {}
        if rest == "info/lfs/objects/batch":
            objects = json.loads(self.body)["objects"]
            links = [{"upload": {"href": f"{self.hub.address}/storage/{o['oid']}"}} for o in objects]
            found = [o | {"actions": link, "authenticated": True} for o, link in zip(objects, links)]
            return 200, {"transfer": "basic", "objects": found}, {"Content-Type": "application/vnd.git-lfs+json"}
        assert action == "commit", self.path
        return self.commit(name, more)

    def commit(self, name, revision):
        """One commit: its files are written into a new folder, so that earlier commits stay what they are."""
        old = self.folder_of(name, revision)
        files = contents(old)
        for line in self.body.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.hub.commits.append((name, revision, value["summary"]))
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploaded[value["oid"]]
            elif entry["key"] == "deletedFile":
                files.pop(value["path"])
        new = old.parent / f"{old.name.partition('@')[0]}@{len(self.hub.commits)}"
        for path, data in files.items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_bytes(data)
        self.hub.repositories[name][revision] = new
        commit = commit_of(new)
        return (
            200,
            {"commitUrl": f"{self.hub.address}/{name}/commit/{commit}", "commitOid": commit, "success": True},
            {},
        )


def describe(name, data, kind):
    """An entry of `tree`, or of the `siblings` in a model's info."""
    large = name.endswith(LARGE)
    if kind == "tree":
        lfs = {"lfs": {"oid": sha256(data), "size": len(data), "pointerSize": 130}} if large else {}
        return {"type": "file", "path": name, "size": len(data), "oid": git_hash(data)} | lfs
    lfs = {"lfs": {"sha256": sha256(data), "size": len(data), "pointerSize": 130}} if large else {}
    return {"rfilename": name, "size": len(data), "blobId": git_hash(data)} | lfs
