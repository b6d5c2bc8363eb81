// A page of chats behind the real express-rate-limit, which counts; every request is written down as it is counted.
"use strict";

const options = JSON.parse(process.argv[2]);

// Before anything else is loaded, so that the limiter's windows and headers are by this clock too.
if (options.skewMs) {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...parts) {
      if (parts.length) super(...parts);
      else super(RealDate.now() + options.skewMs);
    }
    static now() {
      return RealDate.now() + options.skewMs;
    }
  };
}

const express = require("express");
const { MemoryStore, rateLimit } = require("express-rate-limit");

const records = [];
let changeFrom = null;
let answers = 0;
let arrivals = 0;

// CLOCK_MONOTONIC in milliseconds: on Linux the same clock as Python's time.monotonic().
const now = () => Number(process.hrtime.bigint()) / 1e6;

// mulberry32: the same delays in every run.
let state = options.seed;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const pause = ([least, most], next) => {
  const ms = least + (most - least) * random();
  if (ms > 0) setTimeout(next, ms);
  else next();
};

const limitNow = () => {
  let limit = options.limit;
  for (const [afterMs, changed] of options.changes) {
    if (now() - changeFrom >= afterMs) limit = changed;
  }
  return limit;
};

// Another program that is always there first: what it takes is counted with the request that opens a window.
const memory = new MemoryStore();
const increment = memory.increment.bind(memory);
memory.increment = async (key) => {
  const hit = await increment(key);
  if (hit.totalHits > 1) return hit;
  const own = { totalHits: hit.totalHits, resetTime: hit.resetTime };
  for (let n = 0; n < options.foreignFirst; n += 1) {
    const { totalHits, resetTime } = await increment(key);
    const at = now();
    const window = resetTime.getTime();
    records.push({ who: "foreign", came: at, counted: at, status: 200, window, used: totalHits, limit: limitNow() });
  }
  return own;
};

// Redis some way off: neither the question nor the answer takes the same time twice.
const redis = async (port) => {
  const { RedisStore } = require("rate-limit-redis");
  const client = require("redis").createClient({ socket: { port } });
  await client.connect();
  const way = () => new Promise((resolve) => pause(options.redisWayMs, resolve));
  const sendCommand = async (...parts) => {
    await way();
    const answer = await client.sendCommand(parts);
    await way();
    return answer;
  };
  return new RedisStore({ sendCommand });
};

const note = (req, status) => {
  const { used, limit, resetTime } = req.rateLimit;
  records.push({
    who: req.get("x-who") ?? "",
    came: req.came,
    counted: req.counted,
    status,
    window: resetTime.getTime(),
    used,
    limit,
  });
};

const tamper = (req, res) => {
  answers += 1;
  if (options.tamper === "down") {
    res.set("X-RateLimit-Reset", String(Math.floor(req.rateLimit.resetTime.getTime() / 1000)));
  }
  if (answers % 3) return;
  if (options.tamper === "missing") {
    for (const name of ["Limit", "Remaining", "Reset"]) res.removeHeader(`X-RateLimit-${name}`);
  }
  if (options.tamper === "junk") {
    res.set({ "X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "-7", "X-RateLimit-Reset": "soon" });
  }
};

const app = express();

app.get("/control/records", (req, res) => res.json(records));
app.get("/kept/chats", (req, res) => sendPage(req, res));

app.use("/v1", (req, res, next) => {
  req.came = now();
  const late = arrivals % options.lateEvery === 0 ? options.lateMs : 0;
  arrivals += 1;
  pause(options.delayMs.map((ms) => ms + late), next);
});

const limiter = (store, windowMs = options.windowMs, limit = limitNow) =>
  rateLimit({
    windowMs,
    limit,
    legacyHeaders: options.headers === "x",
    standardHeaders: options.headers.startsWith("draft") && options.headers,
    skipFailedRequests: options.failing.length > 0,
    store,
    keyGenerator: (req) => {
      // The count follows in the same turn of the event loop.
      req.counted = now();
      changeFrom ??= req.counted;
      return req.get("authorization") ?? "";
    },
    handler: (req, res) => {
      note(req, 429);
      tamper(req, res);
      const message = `You can only make ${req.rateLimit.limit} requests per second`;
      res.status(429).json({ code: "RATE_LIMIT_ERROR", message, status: 429 });
    },
  });

const sendPage = (req, res) => {
  const offset = Number(req.query.offset ?? 0);
  const to = Math.min(offset + Number(req.query.limit ?? 2000), options.chats);
  const chats = [];
  for (let row = offset; row < to; row += 1) {
    const created_at = new Date(1700000000000 - row * 60000).toISOString();
    chats.push({ chat_id: `${120363000000000000n + BigInt(row)}@g.us`, chat_name: `Chat ${row}`, created_at });
  }
  res.json({ from: offset + 1, to, count: options.chats, chats });
};

// A call that fails is one that the caller got wrong: it names something that is not there, or is no question.
const failure = (req) => {
  const page = Number(req.query.offset ?? 0) / options.rowsAPage;
  if (!options.failing.includes(page % 10)) return 0;
  return page % 2 ? 422 : 404;
};

const answer = (req, res) => {
  const status = failure(req) || 200;
  if (req.rateLimit) note(req, status);
  if (req.rateLimit) tamper(req, res);
  pause(options.latencyMs, () => {
    if (status === 200) sendPage(req, res);
    else res.status(status).json({ code: "ERROR", message: "no such page", status });
  });
};

const start = async () => {
  if (options.shortLimit) {
    const [limit, windowMs] = options.shortLimit;
    app.use("/v1", limiter(new MemoryStore(), windowMs, limit));
  }
  if (options.counts) app.use("/v1", limiter(options.redisPort ? await redis(options.redisPort) : memory));
  app.get("/v1/chats", answer);
  const server = app.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
  });
};

start();

// The benchmark holds the other end: when it is gone, however it went, so is this.
process.stdin.on("end", () => process.exit(0)).resume();
