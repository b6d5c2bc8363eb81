// The official TypeScript client in the loop that its user has to write. It answers to no base URL but its own three;
// "local" is http://localhost:8080/v1.
"use strict";
const { createHash } = require("node:crypto");
const { PeriskopeApi } = require("@periskope/periskope-client");

const job = JSON.parse(process.argv[2]);

async function readPage(client, offset, limit) {
  const { data, error, status } = await client.chat.getChats({ offset: String(offset), limit: String(limit) });
  if (error || status !== 200) throw new Error(`status ${status}: ${JSON.stringify(error)}`);
  return data.chats;
}

async function walk(client, pageSize, keep) {
  for (let offset = 0; ; offset += pageSize) {
    const chats = await readPage(client, offset, pageSize);
    for (const chat of chats) keep(chat.chat_id);
    if (chats.length < pageSize) return;
  }
}

(async () => {
  const client = new PeriskopeApi({ authToken: "benchmark-key-of-a-usual-length-0123456789", phone: "918527184400", env: "local" });
  await readPage(client, 0, job.page_size);
  const ids = [];
  const began = process.hrtime.bigint();
  const before = process.cpuUsage();
  await walk(client, job.page_size, (id) => ids.push(id));
  const used = process.cpuUsage(before);
  const wall = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(
    JSON.stringify({
      rows: ids.length,
      checksum: createHash("sha256").update(ids.join("\n")).digest("hex").slice(0, 16),
      cpu: (used.user + used.system) / 1e6,
      wall,
      peak: process.resourceUsage().maxRSS * 1024,
    }),
  );
})();
