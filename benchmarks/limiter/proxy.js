// What stands between a client and the app: it hands on, and changes the headers of answers as its options say.
"use strict";

const http = require("node:http");

const options = JSON.parse(process.argv[2]);
// A connection for each request, as nginx has by itself: none can be closed by the app while a request is on its way.
const agent = new http.Agent({ keepAlive: false });
const FAMILY = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
const DROPPED = ["connection", "keep-alive", "transfer-encoding"];

const pairs = (raw) => raw.flatMap((name, at) => (at % 2 ? [] : [[name, raw[at + 1]]]));

const ask = (path, headers, method, done) => {
  const asked = http.request({ port: options.port, path, method, headers, agent }, done);
  asked.on("error", () => done(null));
  return asked;
};

const own = () => [
  ["X-RateLimit-Limit", "1000"],
  ["X-RateLimit-Remaining", "990"],
  ["X-RateLimit-Reset", String(Math.ceil(Date.now() / 1000) + 1)],
];

const change = (headers) => {
  let changed = headers.filter(([name]) => !DROPPED.includes(name.toLowerCase()));
  if (options.date !== "kept") changed = changed.filter(([name]) => name.toLowerCase() !== "date");
  if (options.date === "own") changed.push(["Date", new Date().toUTCString()]);
  if (options.secondLimit === "before") return [...own(), ...changed];
  if (options.secondLimit === "after") return [...changed, ...own()];
  return changed;
};

// One window's answers, as a cache keeps them: each with its own Date, and with what the app said of the limit then.
const kept = [];
const fill = () =>
  new Promise((resolve) => {
    const headers = { authorization: options.authorization, "x-who": "cache" };
    const one = (left) => {
      if (!left) return setTimeout(resolve, options.windowMs + 1500);
      ask("/v1/chats?limit=1", headers, "GET", (answer) => {
        const marks = [...FAMILY, "Date"].map((name) => [name, answer.headers[name.toLowerCase()]]);
        kept.push({ marks, at: Date.now() });
        answer.resume().on("end", () => one(left - 1));
      }).end();
    };
    one(options.limit);
  });

const fromCache = (path) => {
  if (options.cache === "none") return null;
  const page = Number(new URL(path, "http://cache").searchParams.get("offset")) / options.rowsAPage;
  return page % 2 === 1 ? kept[page % kept.length] : null;
};

const server = http.createServer((req, res) => {
  res.sendDate = false;
  const hit = fromCache(req.url);
  const path = hit ? req.url.replace("/v1", "/kept") : req.url;
  const { connection, ...asIs } = req.headers;
  const asked = ask(path, asIs, req.method, (answer) => {
    if (!answer) return res.destroy();
    let headers = change(pairs(answer.rawHeaders));
    if (hit) {
      headers = headers.filter(([name]) => name.toLowerCase() !== "date").concat(hit.marks);
      if (options.cache === "age") headers.push(["Age", String(Math.floor((Date.now() - hit.at) / 1000))]);
    }
    res.writeHead(answer.statusCode, headers.flat());
    answer.pipe(res);
  });
  req.pipe(asked);
});

(options.cache === "none" ? Promise.resolve() : fill()).then(() =>
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`)),
);

// The benchmark holds the other end: when it is gone, however it went, so is this.
process.stdin.on("end", () => process.exit(0)).resume();
