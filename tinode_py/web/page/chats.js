// All conversations, and what is said to the server about them.
//
// One topic, `me`, tells of all contacts: who is there, and how many messages each has. Only
// the conversation on the screen is attached; its messages come by themselves. Another's are
// fetched when it is opened, from the first number that we do not have.
//
// A publication carries a key of its own (`head.idem`). If the connection is lost before the
// answer came, it is sent again with the same key: the server stores it once.

import { Chat, nameOf } from './chat.js';
import { Lost, Refused } from './protocol.js';

const PAGE = 24; // messages
const CATCH_UP = 100; // messages in one request, the server's bound
const FAR = 300; // so many missed: start again at the end
const KEPT = 100; // messages of a conversation that is not on the screen
const ENVELOPE = 128; // bytes of a packet beside the message

export class Chats {
  me = { public: null };
  all = new Map(); // topic → Chat, also such that are no contacts
  open = null;
  #session;
  #changed;
  #searching = Promise.resolve();

  // `changed(topic, data)` is called when something is to be drawn anew; with a topic when a
  // message of somebody else has come there, and with the message if we were told.
  constructor(session, changed) {
    this.#session = session;
    this.#changed = changed;
  }

  get user() {
    return this.#session.user;
  }

  get contacts() {
    const found = [...this.all.values()].filter(chat => chat.listed);
    return found.sort((a, b) => (b.touched ?? '').localeCompare(a.touched ?? ''));
  }

  // After each login: everything is asked for again, and what was open is taken up.
  async begin() {
    this.#searching = Promise.resolve();
    for (const chat of this.all.values()) {
      chat.detach();
    }
    await this.ask('sub', { topic: 'me', get: { what: 'desc' } });
    const { sub = [] } = await this.ask('get', { topic: 'me', what: 'sub' });
    const there = new Set(sub.filter(row => !row.deleted).map(row => row.topic));
    for (const chat of this.all.values()) {
      chat.listed = there.has(chat.name);
    }
    this.#changed();
    const waiting = [...this.all.values()].filter(chat => chat === this.open || chat.pending.length);
    await Promise.all(waiting.map(chat => this.#attach(chat)));
  }

  // The connection is gone.
  lose() {
    for (const chat of this.all.values()) {
      chat.detach();
      chat.online = false;
    }
    this.#changed();
  }

  ask(kind, body, extra) {
    return this.#session.ask(kind, body, extra);
  }

  chat(name) {
    if (!this.all.has(name)) {
      this.all.set(name, new Chat(name));
    }
    return this.all.get(name);
  }

  // --- going in and out

  // Show a conversation. Somebody we never wrote to is looked up, and subscribed to only with
  // the first message, so that he does not hear of us before.
  async enter(name) {
    await this.exit();
    const chat = (this.open = this.chat(name));
    this.#changed();
    if (this.#session.state !== 'ready') {
      return chat; // `begin` goes on
    }
    if (chat.listed || chat.isGroup) {
      await this.#attach(chat);
    } else {
      const { desc } = await this.ask('get', { topic: name, what: 'desc' });
      chat.public = desc.public;
      this.#changed();
    }
    return chat;
  }

  async exit() {
    const chat = this.open;
    this.open = null;
    chat?.trim(KEPT);
    if (chat?.attached && !chat.pending.length) {
      chat.detach();
      await this.ask('leave', { topic: chat.name }).catch(ignoreLoss);
    }
  }

  // Attach, send what waits, fetch what was missed. In this order: what we said before is then
  // in its place when the rest comes. One attempt at a time.
  #attach(chat) {
    chat.attaching ??= this.#attachNow(chat).finally(() => (chat.attaching = null));
    return chat.attaching;
  }

  async #attachNow(chat) {
    const next = chat.known + 1;
    const get = { what: 'desc sub del', del: { since: chat.clear + 1 } };
    await this.ask('sub', { topic: chat.name, get });
    chat.attached = chat.listed = true;
    this.#flush(chat);
    await this.#fetchFrom(chat, next);
    chat.current = true;
    chat.known = Math.max(chat.known, ...chat.messages.keys());
    this.#changed();
  }

  async #fetchFrom(chat, next) {
    if (!chat.may('R')) {
      return;
    }
    if (!chat.known || chat.seq - chat.known > FAR) {
      chat.forget();
      await this.#fetch(chat, { limit: PAGE });
      return;
    }
    let before = 0;
    do {
      const wanted = { since: next, limit: CATCH_UP, ...(before && { before }) };
      const { numbers, count } = await this.#get(chat, wanted);
      before = count < CATCH_UP ? 0 : Math.min(...numbers);
    } while (before > next);
  }

  // One page; its lowest number is the lowest that was loaded, 1 if there are no more.
  async #fetch(chat, wanted) {
    const { numbers, count } = await this.#get(chat, wanted);
    chat.low = count < wanted.limit ? 1 : Math.min(...numbers);
  }

  async #get(chat, data) {
    const work = this.ask('get', { topic: chat.name, what: 'data', data });
    const numbers = await chat.collect(work);
    const { params } = await work;
    return { numbers, count: params.count ?? 0 };
  }

  // The page before what is loaded.
  async older(chat) {
    if (chat.loading || chat.atStart || !chat.current) {
      return;
    }
    chat.loading = true;
    try {
      await this.#fetch(chat, { before: chat.low, limit: PAGE });
    } finally {
      chat.loading = false;
      this.#changed();
    }
  }

  // --- messages

  // Send a message: it is shown as on its way until the server has stored it. Throws what
  // cannot be sent; what is refused later stays there, with the reason.
  send(chat, content, head = {}, attachments = []) {
    const format = typeof content === 'string' ? {} : { mime: 'text/x-drafty' };
    const item = { key: randomKey(), content, ts: new Date().toISOString(), sent: false, error: null };
    item.head = { ...format, ...head, idem: item.key };
    item.extra = attachments.length ? { attachments } : undefined;
    if (sizeOf(item) > this.#session.server.maxMessageSize - ENVELOPE) {
      throw new Refused({ code: 413, text: 'too large' });
    }
    chat.pending.push(item);
    this.#flush(chat);
    this.#changed();
  }

  // Send again what was refused, or drop it.
  again(chat, item) {
    item.error = null;
    item.sent = false;
    this.#flush(chat);
    this.#changed();
  }

  drop(chat, item) {
    chat.pending = chat.pending.filter(other => other !== item);
    this.#changed();
  }

  #flush(chat) {
    if (this.#session.state !== 'ready' || !chat.pending.length) {
      return;
    }
    if (!chat.attached) {
      this.#attach(chat).catch(error => this.#fail(chat, error));
      return;
    }
    for (const item of chat.pending.filter(item => !item.sent && !item.error)) {
      this.#publish(chat, item);
    }
  }

  async #publish(chat, item) {
    item.sent = true;
    try {
      const body = { topic: chat.name, noecho: true, head: item.head, content: item.content };
      const { params, ts } = await this.ask('pub', body, item.extra);
      chat.place(item, params.seq, ts, this.user);
      chat.touched = ts;
    } catch (error) {
      if (error instanceof Refused) {
        item.error = error;
      } else {
        item.sent = false; // not known whether it arrived: `begin` sends it again
      }
    }
    this.#changed();
  }

  #fail(chat, error) {
    if (error instanceof Refused) {
      for (const item of chat.pending) {
        item.error = error;
      }
    }
    this.#changed();
  }

  // Delete a message and its edits, for oneself or for all.
  async delete(chat, seq, hard) {
    const delseq = chat.versions(seq).map(low => ({ low }));
    const { params } = await this.ask('del', { topic: chat.name, what: 'msg', delseq, hard });
    chat.drop(delseq, params.del);
    this.#changed();
  }

  // All that is there has been seen.
  markRead(chat) {
    if (chat.attached && chat.seq > chat.read) {
      this.#session.note({ topic: chat.name, what: 'read', seq: chat.seq });
      chat.read = chat.recv = chat.seq;
      this.#changed();
    }
  }

  typing(chat) {
    if (chat.attached) {
      this.#session.note({ topic: chat.name, what: 'kp' });
    }
  }

  // --- people and groups

  // Who or what has one of these words as a tag. One search at a time: the query is a property
  // of the topic `fnd`.
  find(text) {
    const result = this.#searching.then(() => this.#find(text));
    this.#searching = result.catch(() => {});
    return result;
  }

  async #find(text) {
    const words = text.toLowerCase().replace(/[",]/g, ' ').trim().split(/\s+/);
    const terms = words.flatMap(word => (word.includes(':') ? [word] : [`basic:${word}`, `alias:${word}`, word]));
    await this.ask('sub', { topic: 'fnd' });
    await this.ask('set', { topic: 'fnd', desc: { public: terms.join(',') } });
    const { sub = [] } = await this.ask('get', { topic: 'fnd', what: 'sub' });
    return sub.map(row => ({ name: row.topic, title: nameOf(row.public, row.topic), public: row.public }));
  }

  // A new group of ours; its name.
  async createGroup(title) {
    const { topic } = await this.ask('sub', { topic: 'new1', set: { desc: { public: { fn: title } } } });
    await this.ask('leave', { topic });
    await this.#refresh(topic);
    return topic;
  }

  async addMember(chat, user) {
    await this.ask('set', { topic: chat.name, sub: { user } });
    await this.ask('get', { topic: chat.name, what: 'sub', sub: { user } });
    this.#changed();
  }

  async removeMember(chat, user) {
    await this.ask('del', { topic: chat.name, what: 'sub', user });
    chat.members.delete(user);
    this.#changed();
  }

  // Leave for good; the owner of a group ends it for all.
  async quit(chat) {
    if (chat.isGroup && chat.may('O')) {
      await this.ask('del', { topic: chat.name, what: 'topic', hard: true });
    } else {
      await this.#attach(chat);
      await this.ask('leave', { topic: chat.name, unsub: true });
    }
    this.#remove(chat);
  }

  async rename(name) {
    await this.ask('set', { topic: 'me', desc: { public: { fn: name } } });
    this.me.public = { ...this.me.public, fn: name };
    this.#changed();
  }

  #remove(chat) {
    this.all.delete(chat.name);
    if (this.open === chat) {
      this.open = null;
    }
    this.#changed(chat.name);
  }

  // Ask for a contact's row: it is new, or has changed.
  #refresh(topic) {
    return this.ask('get', { topic: 'me', what: 'sub', sub: { topic } }).catch(ignoreLoss);
  }

  // --- what the server says

  take(kind, body) {
    switch (kind) {
      case 'meta': this.#takeMeta(body); break;
      case 'data': this.#takeData(body); break;
      case 'info': this.#takeInfo(body); break;
      case 'pres': body.topic === 'me' ? this.#takeContact(body) : this.#takeMember(body); break;
      case 'ctrl': this.#takeWord(body); break;
    }
    this.#changed();
  }

  #takeMeta({ topic, desc, sub, del }) {
    if (topic === 'fnd') {
      return;
    }
    if (topic === 'me') {
      this.me = { ...this.me, ...desc };
      for (const row of sub ?? []) {
        this.#takeRow(row);
      }
      return;
    }
    const chat = this.chat(topic);
    if (desc) {
      chat.describe(desc);
    }
    for (const row of sub ?? []) {
      chat.addMember(row);
    }
    if (del) {
      chat.drop(del.delseq, del.clear);
    }
  }

  #takeRow(row) {
    const chat = this.chat(row.topic);
    chat.describe(row);
    chat.listed = !row.deleted;
    chat.online = Boolean(row.online);
  }

  #takeData(data) {
    const chat = this.chat(data.topic);
    const isNew = data.seq > chat.seq;
    chat.take(data);
    if (isNew) {
      chat.touched = data.ts;
      if (data.from === this.user) {
        chat.read = Math.max(chat.read, data.seq); // from another device of ours
      } else {
        this.#session.note({ topic: chat.name, what: 'recv', seq: data.seq });
        this.#changed(chat.name, data);
      }
    }
  }

  #takeInfo({ topic, src, from, what, seq }) {
    const chat = this.all.get(topic === 'me' ? src : topic);
    if (!chat) {
      return;
    }
    if (what === 'kp') {
      chat.types(from);
      setTimeout(() => this.#changed(), 5_100);
    } else if (what === 'read' || what === 'recv') {
      const row = chat.members.get(from);
      if (row) {
        row.recv = Math.max(row.recv ?? 0, seq);
        row.read = what === 'read' ? Math.max(row.read ?? 0, seq) : row.read;
      }
    }
  }

  // Something happened to a contact, or to our own account.
  #takeContact({ what, src, seq, act, tgt, dacs }) {
    const chat = this.all.get(src);
    if (what === 'term') {
      this.#session.reconnect();
    } else if (!src || src === 'me') {
      this.#quietly(this.ask('get', { topic: 'me', what: 'desc' }));
    } else if (what === 'gone') {
      chat && this.#remove(chat);
    } else if (!chat?.listed || what === 'upd' || (what === 'acs' && (!tgt || tgt === this.user))) {
      const left = dacs?.want === 'N' || dacs?.given === 'N';
      what === 'off' || left || this.#quietly(this.#refresh(src).then(() => what === 'msg' && this.#changed(src)));
    } else if (what === 'on' || what === 'off') {
      chat.online = what === 'on';
      chat.seen = chat.online ? chat.seen : { when: new Date().toISOString() };
    } else if (what === 'msg') {
      this.#hear(chat, seq, !act || act === this.user);
    } else if (what === 'read') {
      chat.read = Math.max(chat.read, seq);
    }
  }

  #hear(chat, seq, own) {
    chat.seq = Math.max(chat.seq, seq);
    chat.touched = new Date().toISOString();
    if (own) {
      chat.read = chat.seq;
    } else {
      this.#session.note({ topic: chat.name, what: 'recv', seq });
      this.#changed(chat.name);
    }
  }

  // Something happened in a conversation that we are attached to.
  #takeMember({ topic, what, src, delseq, clear, dacs }) {
    const chat = this.all.get(topic);
    if (!chat) {
      return;
    }
    const row = chat.members.get(src);
    if (what === 'on' || what === 'off') {
      if (row) {
        row.online = what === 'on';
      }
    } else if (what === 'del') {
      chat.drop(delseq, clear);
    } else if (what === 'term') {
      this.#session.reconnect();
    } else if (what === 'acs' && src && dacs?.want === 'N') {
      chat.members.delete(src);
    } else if (what === 'acs' || what === 'upd') {
      const wanted = src ? { what: 'sub', sub: { user: src } } : { what: 'desc' };
      this.#quietly(this.ask('get', { topic, ...wanted }));
    }
  }

  #takeWord({ code, text, topic, params }) {
    const chat = this.all.get(topic);
    if (code === 205 && text === 'evicted' && chat) {
      chat.detach();
      if (params?.unsub) {
        this.#remove(chat);
      } else {
        this.#quietly(this.#refresh(topic));
      }
    }
  }

  // What we ask by ourselves: nobody waits for the answer, which comes through `take`.
  #quietly(work) {
    work.catch(ignoreLoss);
  }
}

function ignoreLoss(error) {
  if (!(error instanceof Lost || error instanceof Refused)) {
    throw error;
  }
}

function sizeOf(item) {
  const { content, head, extra } = item;
  return new TextEncoder().encode(JSON.stringify({ content, head, extra })).length;
}

// 128 bits of chance as text; `crypto.randomUUID` is missing where the page came without TLS.
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}
