"""Node programs: the real socket.io server, and the official client. Skipped where node is missing."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Self

import pytest

from benchmarks.compare.npm import node_with

if TYPE_CHECKING:
    from types import TracebackType

PACKAGES = {"socket.io": "4.8.4", "@periskope/periskope-client": "1.1.3"}

# One command a line, answered by one line.
SERVER = r"""
const { Server } = require("socket.io");
const { createServer } = require("node:http");
let io, http, refuse = null, deny = false, delay = 0, seen = [];
const commands = {
  start: async (options) => {
    http = createServer();
    io = new Server(http, { ...options, allowRequest: (req, done) => {
      seen.push({ authorization: req.headers.authorization, phone: req.headers["x-phone"] });
      done(null, !deny);
    } });
    io.use((socket, next) => setTimeout(() => {
      if (!refuse) return next();
      const error = new Error(refuse);
      error.data = { quoted: socket.handshake.headers.authorization };
      next(error);
    }, delay));
    await new Promise((done) => http.listen(options.port || 0, "127.0.0.1", done));
    return http.address().port;
  },
  set: async (changes) => { ({ refuse, deny, delay } = { refuse, deny, delay, ...changes }); },
  emit: async ([name, ...args]) => { io.emit(name, ...args); },
  burst: async ([name, count, data]) => {
    for (let n = 0; n < count; n++) io.emit(name, { ...data, message_id: `m${n}` });
  },
  drop: async () => { for (const [, s] of io.sockets.sockets) s.conn.transport.socket.terminate(); },
  goodbye: async () => { io.disconnectSockets(); },
  close: async () => { await new Promise((done) => io.close(done)); },
  count: async () => io.sockets.sockets.size,
  seen: async () => seen,
};
require("node:readline").createInterface({ input: process.stdin }).on("line", async (line) => {
  const [name, argument] = JSON.parse(line);
  console.log(JSON.stringify(await commands[name](argument) ?? null));
});
"""

CLIENT = r"""
const { SocketService } = require("@periskope/periskope-client/dist/services/SocketService.js");
const [url, key, phone] = process.argv.slice(1);
console.error = () => {};
const say = console.log;
console.log = () => {};
const client = new SocketService(url, key, phone);
client.connect();
client.socket.on("connect", () => say(JSON.stringify(["connect", !!client.socket.recovered])));
client.socket.on("connect_error", (error) => say(JSON.stringify(["connect_error", error.message])));
for (const name of ["message.created", "chat.created"])
  client.on(name, (data) => say(JSON.stringify([name, data])));
"""


class Node:
    """A node program that is spoken to line by line."""

    def __init__(self, script: str, *arguments: str) -> None:
        node = node_with(PACKAGES)
        if isinstance(node, str):
            pytest.skip(node)
        self._process = subprocess.Popen(
            [node.binary, "-e", script, *arguments],
            env={"NODE_PATH": str(node.modules), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def ask(self, command: str, argument: object = None) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([command, argument]) + "\n")
        self._process.stdin.flush()
        return self.read()

    def stop(self) -> None:
        """Have it do nothing until :meth:`go_on`."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it run again."""
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
