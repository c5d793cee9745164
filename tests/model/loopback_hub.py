"""A Hugging Face Hub of one process: the endpoints that huggingface_hub calls, over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Files = dict[str, bytes]


@dataclass
class Hub:
    """What the server knows, and what it was asked."""

    url: str = ""
    repositories: dict[str, dict[str, Files]] = field(default_factory=dict)
    """Files by repository and revision."""
    private: set[str] = field(default_factory=set)
    """Repositories that want the token ``good``."""
    broken: int | None = None
    """Status that every request gets, when it is set."""
    blobs: Files = field(default_factory=dict)
    """Large files by their SHA-256, on their way into a commit."""
    requests: list[str] = field(default_factory=list)

    def publish(self, repo_id: str, folder: Path) -> None:
        """Offer the files of a folder."""
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        self.repositories[repo_id] = {"main": files}


class _Answers(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing on stderr."""

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.broken is not None:
            return self.say(self.hub.broken, {"error": "no luck today"})
        for command, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if command == self.command and match is not None:
                groups = {k: v for k, v in match.groupdict().items() if v is not None}
                return answer(self, body, **groups)
        return self.say(404, {"error": f"the test's Hub has no {self.command} {path}"})

    do_GET = do_HEAD = do_POST = do_PUT = handle_one  # noqa: N815

    def say(self, status: int, content: Any, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def is_allowed(self, repo_id: str) -> bool:
        if repo_id in self.hub.private and self.headers.get("Authorization") != "Bearer good":
            self.say(401, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        elif repo_id not in self.hub.repositories:
            self.say(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        else:
            return True
        return False

    def resolve(self, body: bytes, repo_id: str, revision: str, name: str) -> None:
        if not self.is_allowed(repo_id):
            return None
        files = self.hub.repositories[repo_id].get(_branch(revision))
        if files is None:
            return self.say(404, {"error": "Invalid rev"}, X_Error_Code="RevisionNotFound")
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        if name not in files:
            return self.say(
                404, {"error": "none"}, X_Error_Code="EntryNotFound", X_Repo_Commit=commit
            )
        etag = f'"{hashlib.sha256(files[name]).hexdigest()}"'
        return self.say(200, files[name], ETag=etag, X_Repo_Commit=commit)

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        repo_id = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if self.headers.get("Authorization") != "Bearer good":
            return self.say(401, {"error": "Invalid username or password."})
        address = f"{self.hub.url}/{repo_id}"
        if repo_id in self.hub.repositories:
            return self.say(409, {"error": "You already created this repo", "url": address})
        self.hub.repositories[repo_id] = {"main": {}}
        if asked.get("private") or asked.get("visibility") == "private":
            self.hub.private.add(repo_id)
        return self.say(200, {"url": address})

    def validate(self, body: bytes) -> None:
        asked = json.loads(body)
        start = "library_name: biot" if asked["repoType"] == "model" else "dataset_info:"
        assert asked["content"].startswith(f"---\n{start}\n")
        self.say(200, {"errors": [], "warnings": []})

    def preupload(self, body: bytes, repo_id: str, revision: str) -> None:
        if not self.is_allowed(repo_id):
            return
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs"
                if file["path"].endswith((".safetensors", ".parquet", ".arrow"))
                else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        self.say(200, {"files": modes})

    def batch(self, body: bytes, repo_id: str) -> None:
        objects = [
            {**thing, "actions": {"upload": {"href": f"{self.hub.url}/blobs/{thing['oid']}"}}}
            for thing in json.loads(body)["objects"]
        ]
        self.say(200, {"transfer": "basic", "objects": objects})

    def upload(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.blobs[oid] = body
        self.say(200, {})

    def commit(self, body: bytes, repo_id: str, revision: str) -> None:
        if not self.is_allowed(repo_id):
            return
        pull = "create_pr" in parse_qs(urlsplit(self.path).query)
        files = self.hub.repositories[repo_id].setdefault("refs/pr/1" if pull else revision, {})
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        said = {"commitOid": "0" * 40, "commitUrl": f"{self.hub.url}/{repo_id}/commit/{'0' * 40}"}
        if pull:
            said["pullRequestUrl"] = f"{self.hub.url}/{repo_id}/discussions/1"
        self.say(200, said)

    def tree(self, body: bytes, repo_id: str, revision: str, folder: str = "") -> None:
        if not self.is_allowed(repo_id):
            return None
        files = self.hub.repositories[repo_id].get(_branch(revision), {})
        below = {name: data for name, data in files.items() if name.startswith(folder)}
        if folder and not below:
            return self.say(404, {"error": "none"}, X_Error_Code="EntryNotFound")
        folders = {name.rpartition("/")[0] for name in below} - {"", folder.rstrip("/")}
        found = [_folder(name) for name in sorted(folders)]
        found += [_file(name, data) for name, data in sorted(below.items())]
        if "recursive=true" not in self.path.lower():
            depth = len(folder.split("/")) if folder else 0
            found = [entry for entry in found if entry["path"].count("/") == depth]
        return self.say(200, found)

    def paths(self, body: bytes, repo_id: str, revision: str) -> None:
        if not self.is_allowed(repo_id):
            return
        asked = json.loads(body)["paths"] if body[:1] == b"{" else parse_qs(body.decode())["paths"]
        files = self.hub.repositories[repo_id].get(_branch(revision), {})
        found = [_file(name, files[name]) for name in asked if name in files]
        folders = [name for name in asked if any(file.startswith(f"{name}/") for file in files)]
        self.say(200, found + [_folder(name) for name in folders])

    def info(self, body: bytes, repo_id: str, revision: str = "main") -> None:
        if not self.is_allowed(repo_id):
            return
        names = self.hub.repositories[repo_id].get(_branch(revision), {})
        siblings = [{"rfilename": name} for name in names]
        self.say(200, {"_id": "1", "id": repo_id, "sha": "0" * 40, "siblings": siblings})


def _folder(name: str) -> dict[str, Any]:
    return {"type": "directory", "path": name, "oid": "0"}


def _file(name: str, data: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}


def _branch(revision: str) -> str:
    """There is one history: every commit is the last of main."""
    return "main" if re.fullmatch("[0-9a-f]{40}", revision) else revision


_REPO = r"(?P<repo_id>[^/]+/[^/]+)"
_API = "/api/(?:models|datasets)"
_ROUTES = [
    (command, pattern, answer)
    for commands, pattern, answer in (
        (
            "HEAD GET",
            rf"/datasets/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<name>.+)",
            _Answers.resolve,
        ),
        ("HEAD GET", rf"/{_REPO}/resolve/(?P<revision>.+)/(?P<name>[^/]+)", _Answers.resolve),
        ("POST", "/api/repos/create", _Answers.create),
        ("POST", "/api/validate-yaml", _Answers.validate),
        ("POST", rf"{_API}/{_REPO}/preupload/(?P<revision>.+)", _Answers.preupload),
        ("POST", rf"(?:/datasets)?/{_REPO}\.git/info/lfs/objects/batch", _Answers.batch),
        ("PUT", r"/blobs/(?P<oid>\w+)", _Answers.upload),
        ("POST", rf"{_API}/{_REPO}/commit/(?P<revision>.+)", _Answers.commit),
        ("GET", rf"{_API}/{_REPO}/tree/(?P<revision>[^/]+)(/(?P<folder>.+))?", _Answers.tree),
        ("POST", rf"{_API}/{_REPO}/paths-info/(?P<revision>[^/]+)", _Answers.paths),
        ("GET", rf"{_API}/{_REPO}(/revision/(?P<revision>.+))?", _Answers.info),
    )
    for command in commands.split()
]


@contextmanager
def serve() -> Iterator[Hub]:
    """A Hub on a free port of 127.0.0.1, until the block ends."""
    hub = Hub()
    handler = type("_Handler", (_Answers,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
