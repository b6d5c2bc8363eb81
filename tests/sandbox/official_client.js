// Calls each method of the official client once, in an order in which each has something to work on, and prints what
// each of them got. Arguments: the package's folder, the sandbox's base URL, the key, the phone, and facts as JSON.
const [folder, base, authToken, phone, facts] = process.argv.slice(2);
const root = `${folder}/node_modules/@periskope/periskope-client/dist`;
require(`${root}/constants/endpoints`).getRestBaseUri = () => base;
const { PeriskopeApi } = require(root);

const client = new PeriskopeApi({ authToken, phone, env: "local" });
const known = JSON.parse(facts);
const got = {};

async function call(name, args) {
  const [resource, method] = name.split(".");
  try {
    const { data, error, status } = await client[resource][method](args);
    got[name] = { data, status, error: error && { code: error.code, message: error.message } };
  } catch (error) {
    got[name] = { thrown: String(error) };
  }
  return got[name].data;
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 60));

(async () => {
  const page = { offset: "0", limit: "3" };
  const chat_id = known.group;
  await call("chat.getChats", page);
  await call("chat.getMessages", page);
  await call("chat.getNotifications", page);
  await call("chat.getChatById", { chat_id });
  await call("chat.getChatMessages", { chat_id, ...page });
  await call("chat.getChatNotifications", { chat_id, ...page });
  await call("chat.getNotesByChat", { chat_id, ...page });
  await call("chat.updateLabels", { labels: "VIP,Lead", chat_ids: [chat_id] });
  await call("chat.updateChatOverrideAccess", { access: { "asha@example.com": true }, chat_ids: [chat_id], replace: false });
  await call("chat.updateChatById", { chat_id, labels: "VIP" });
  await call("chat.read", { chat_id });

  const people = ["4915112345678", "4915100001111"];
  const made = await call("group.create", { group_name: "Crew", participants: ["4915112345670"] });
  const group = made.chat_id;
  await call("group.generateInviteLink", { chat_id: group });
  await call("group.addParticipant", { chat_id: group, participants: people });
  await call("group.promoteParticipant", { chat_id: group, participants: [people[0]] });
  await call("group.demoteParticipant", { chat_id: group, participants: [people[0]] });
  await call("group.removeParticipant", { chat_id: group, participants: people });
  await call("group.updateSettings", { chat_id: group, name: "Other crew", messagesAdminsOnly: true });
  await call("group.acceptGroupInvite", { invite_code: "AbCd1234" });

  const sent = await call("message.send", { chat_id: people[0], message: "hello" });
  await call("queue.getJobs", { queue_id: sent.queue_id });
  await call("queue.getStatus");
  await pause();
  const message_id = sent.queue_id;
  await call("message.edit", { message_id, edited_body: "hello again" });
  await call("message.react", { message_id, reaction: "👍" });
  await call("message.pin", { message_id, pin: true });
  await call("message.getById", { message_id });
  await call("message.forward", { message_id, forward_chat_ids: [chat_id] });
  await call("message.delete", { message_id });
  const sending = await call("message.broadcast", { chat_ids: [chat_id, group], message: "news", delay: 0 });
  await call("queue.getBroadcastStatus", { broadcast_id: sending.broadcast_id });
  await call("queue.purge");
  await call("group.leaveGroup", { chat_id: group });

  await call("contact.create", { contact_name: "Zoë", contact_id: "4915199999999" });
  await call("contact.getAll", page);
  await call("contact.update", { contact_id: "4915199999999", contact_name: "Zoë O'Neill" });
  await call("contact.updateLabels", { labels: "VIP", contact_ids: ["4915199999999"] });
  await call("contact.getById", { contact_id: "4915199999999" });

  const ticket = await call("ticket.create", { chat_id, subject: "Late", quoted_message_id: known.message, assignee: "asha@example.com", due_date: "2026-12-24T00:00:00Z" });
  await call("ticket.getAll", page);
  await call("ticket.update", { ticket_id: ticket.ticket.ticket_id, priority: "4" });
  await call("ticket.getById", { ticket_id: ticket.ticket.ticket_id });

  const note = await call("note.createInternalNote", { chat_id, message: "call @asha@example.com" });
  await call("note.getNotes", page);
  await call("note.getNoteById", { note_id: note.data.message_id });
  await call("reaction.getReactions", page);

  const faq = await call("knowledgeBase.createFaq", { question: "When?", answer: "Now." });
  await call("knowledgeBase.getAll", { ...page, type: "faq" });
  await call("knowledgeBase.getFaqById", faq);
  await call("knowledgeBase.updateFaq", { ...faq, question: "When?", answer: "Soon." });
  await call("knowledgeBase.deleteFaq", faq);
  const [paper] = await call("knowledgeBase.createDocument", { document: { url: "https://example.com/a.pdf" } });
  await call("knowledgeBase.getDocumentById", { document_id: paper.document_id });
  await call("knowledgeBase.deleteDocument", { document_id: paper.document_id });

  const [hook] = await call("webhook.create", { hookUrl: "https://example.com/h", integrationName: ["message.created", "ticket.created"] });
  await call("webhook.list", {});
  await call("webhook.getById", { id: hook.id });
  await call("webhook.update", { id: hook.id, isSubscribed: false });
  await call("webhook.delete", { id: hook.id });

  await call("member.invite", { emails: ["new@example.com", "asha@example.com"], role: "member", labels: ["VIP"] });
  await call("member.updateAccess", { emails: ["new@example.com"], labels: null, orgPhones: [phone] });
  await call("member.delete", { id: "new@example.com" });

  await call("phone.info");
  await call("phone.getAll");
  await call("phone.update", { phone_name: "Desk" });
  await call("phone.resync");
  await call("phone.restart");
  await call("phone.reset");
  await call("phone.getQR");
  await call("phone.create");
  await call("phone.delete");

  const methods = [];
  for (const [resource, api] of Object.entries(client)) {
    const names = api && typeof api === "object" ? Object.getOwnPropertyNames(Object.getPrototypeOf(api)) : [];
    if (api && api.constructor.name.endsWith("Api")) {
      methods.push(...names.filter((name) => name !== "constructor").map((name) => `${resource}.${name}`));
    }
  }
  console.log(JSON.stringify({ got, methods }));
})();
