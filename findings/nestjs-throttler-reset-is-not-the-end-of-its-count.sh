#!/usr/bin/env bash
# @nestjs/throttler counts by a sliding log: a request is forgotten ttl after it came. Its X-RateLimit-Reset counts down
# to an end of a window of its own, opened by the first request, as a fixed window's reset does. When that end has come,
# the later requests of the log still count, and the next answer names a reset of a whole ttl again. A client that waits
# for the reset and then sends "limit" requests is refused at once, and for a ttl, since a refusal blocks that long.
#
# Guessed: the reset names the moment from which "limit" requests may go, or else the one when the oldest is forgotten.
# Seen (@nestjs/throttler 6.7.1, @nestjs/core 12.5.1, Node.js 20): with 4 requests in 3 seconds allowed, requests at 0 s
# and thrice at 2.3 s name resets of 3, 1, 1 and 1 s. At 3.5 s, past each of them, one of 4 passes: it names a reset of
# 3 s and no request left. The next one is refused.
#
# Asks a server with the plain guard on one route, and prints each answer. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit @nestjs/throttler@6.7.1 @nestjs/core@12.5.1 @nestjs/common@12.5.1 \
  @nestjs/platform-express@12.5.1 reflect-metadata@0.2.2 rxjs@7.8.2 > /dev/null
cat > run.js <<'JS'
require("reflect-metadata");
const assert = require("node:assert");
const { setTimeout: sleep } = require("node:timers/promises");
const { Controller, Get, Module } = require("@nestjs/common");
const { APP_GUARD, NestFactory } = require("@nestjs/core");
const { ThrottlerGuard, ThrottlerModule } = require("@nestjs/throttler");

class Chats {
  list() {
    return [];
  }
}
Get()(Chats.prototype, "list", Object.getOwnPropertyDescriptor(Chats.prototype, "list"));
Controller("chats")(Chats);
class App {}
Module({
  imports: [ThrottlerModule.forRoot([{ ttl: 3000, limit: 4 }])],
  controllers: [Chats],
  providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
})(App);

(async () => {
  const app = await NestFactory.create(App, { logger: false });
  await app.listen(0, "127.0.0.1");
  const url = `http://127.0.0.1:${app.getHttpServer().address().port}/chats`;
  const began = Date.now();
  const seen = [];
  for (const at of [0, 2300, 2300, 2300, 3500, 3500]) {
    await sleep(Math.max(0, began + at - Date.now()));
    const { status, headers } = await fetch(url);
    const told = ["x-ratelimit-remaining", "x-ratelimit-reset", "retry-after"].map((name) => headers.get(name));
    seen.push([status, ...told]);
    console.log(`  at ${at / 1000} s: ${status}, remaining ${told[0]}, reset ${told[1]}, retry-after ${told[2]}`);
  }
  await app.close();
  assert.deepStrictEqual(seen, [
    [200, "3", "3", null],
    [200, "2", "1", null],
    [200, "1", "1", null],
    [200, "0", "1", null],
    [200, "0", "3", null],
    [429, null, null, "3"],
  ]);
})();
JS
echo "@nestjs/throttler $(node -p 'require("@nestjs/throttler/package.json").version'), Node.js $(node --version):"
node run.js
