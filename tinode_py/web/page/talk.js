// The open conversation: its messages, and what one can do with them.

import { confirmed, askCaption, enlarge, showMembers } from './dialogs.js';
import { byId, face, h, icon, keyed, openMenu } from './dom.js';
import { isText, joined, leadingQuotation, picture, quotation, source, summary, write } from './drafty.js';
import { row } from './line.js';
import { stateOf } from './side.js';
import { day } from './words.js';

const NEAR = 80; // pixels from the end that count as the end
const TYPING = 3_000; // ms between two notices that we type
const SEEN = 600; // ms that a message is on the screen before it counts as read
const MOST = 600; // messages on the screen, unless somebody has scrolled up to them
const TOGETHER = 300_000; // ms between two messages of one block

export class Talk {
  #session;
  #chats;
  #files;
  #tell;
  #about = null; // {kind: 'reply' | 'edit', line}
  #drafts = new Map(); // topic → text that was not sent
  #drawn = null; // the chat that is on the screen
  #atEnd = true;
  #typed = 0;
  #seen = 0;
  #text = byId('text');
  #log = byId('log');
  #act;

  constructor(session, chats, files, tell) {
    this.#session = session;
    this.#chats = chats;
    this.#files = files;
    this.#tell = tell;
    this.#act = {
      files: {
        open: data => files.open(data),
        save: (data, name) => files.save(data, name).catch(tell),
        enlarge,
      },
      entries: line => this.#entries(line),
      again: item => chats.again(this.#chat, item),
      drop: item => chats.drop(this.#chat, item),
    };
    this.#listen();
  }

  get #chat() {
    return this.#chats.open;
  }

  #listen() {
    const icons = { back: 'back', 'chat-menu': 'more', 'to-end': 'down', 'about-off': 'close', attach: 'picture', send: 'send' };
    for (const [id, name] of Object.entries(icons)) {
      byId(id).append(icon(name));
    }
    byId('composer').addEventListener('submit', event => (event.preventDefault(), this.#submit()));
    byId('chat-menu').addEventListener('click', event => this.#menu(event.currentTarget));
    byId('to-end').addEventListener('click', () => this.#toEnd());
    byId('about-off').addEventListener('click', () => this.#turnTo(null));
    byId('earlier').addEventListener('click', () => this.#older());
    byId('attach').addEventListener('click', () => byId('file').click());
    byId('file').addEventListener('change', () => this.#attach());
    byId('lines').addEventListener('keydown', event => this.#lineKey(event));
    this.#text.addEventListener('keydown', event => this.#textKey(event));
    this.#text.addEventListener('input', () => this.#input());
    this.#text.addEventListener('paste', event => this.#paste(event));
    this.#log.addEventListener('scroll', () => this.#scrolled());
    new ResizeObserver(() => this.#atEnd && this.#toEnd()).observe(this.#log);
  }

  // Show a conversation, and let the hands be where one types.
  async enter(topic) {
    if (this.#chat) {
      this.#drafts.set(this.#chat.name, this.#about ? '' : this.#text.value);
    }
    this.#atEnd = true;
    const entering = this.#chats.enter(topic);
    this.#turnTo(null);
    this.#text.value = this.#drafts.get(topic) ?? '';
    this.#grow();
    await entering;
    if (this.#chat?.name === topic) {
      const fine = matchMedia('(pointer: fine)').matches && !byId('composer').hidden;
      this.draw();
      (fine ? this.#text : byId('title')).focus();
    }
  }

  // Somebody else may come now.
  forget() {
    this.#drafts.clear();
    this.#text.value = '';
    this.#turnTo(null);
    this.draw();
  }

  // --- on the screen

  draw() {
    const chat = this.#chat;
    byId('conversation').hidden = !chat;
    byId('nobody').hidden = Boolean(chat);
    if (!chat) {
      this.#drawn = null;
      byId('lines').replaceChildren();
      return;
    }
    byId('title').textContent = chat.title;
    byId('state').textContent = stateOf(chat);
    byId('face').replaceChildren(face(chat.name, chat.title, chat.public, chat.online && !chat.isGroup));
    byId('composer').hidden = !chat.may('W');
    byId('closed').hidden = chat.may('W');
    byId('earlier').hidden = !chat.current || chat.atStart || !chat.messages.size;
    this.#drawLines(chat);
    byId('to-end').hidden = this.#atEnd;
    this.#markRead(chat);
  }

  #drawLines(chat) {
    const list = byId('lines');
    if (this.#drawn !== chat) {
      list.replaceChildren();
      this.#drawn = chat;
    }
    if (this.#atEnd && chat.messages.size > MOST) {
      chat.trim(MOST / 2);
    }
    const height = this.#log.scrollHeight;
    const first = list.querySelector('.line')?.dataset.key;
    keyed(list, this.#rows(chat));
    const lines = [...list.querySelectorAll('.line')];
    if (!list.contains(document.activeElement)) {
      this.#rove(lines, lines.length - 1); // Shift+Tab leads to the newest
    }
    if (this.#atEnd) {
      this.#toEnd();
    } else if (first !== lines[0]?.dataset.key) {
      this.#log.scrollTop += this.#log.scrollHeight - height; // earlier messages came above
    }
    if (this.#log.scrollHeight <= this.#log.clientHeight) {
      this.#older();
    }
  }

  #rows(chat) {
    const rows = [];
    let before = null;
    for (const line of chat.lines()) {
      const today = day(line.ts);
      const newDay = !before || day(before.ts) !== today;
      if (newDay) {
        rows.push([`day ${today}`, '', () => h('li', { class: 'day' }, today)]);
      }
      const follows = !newDay && before.from === line.from && new Date(line.ts) - new Date(before.ts) < TOGETHER;
      rows.push(row(chat, line, this.#chats.user, follows, this.#act));
      before = line;
    }
    return rows;
  }

  #toEnd() {
    this.#atEnd = true;
    this.#log.scrollTop = this.#log.scrollHeight;
    byId('to-end').hidden = true;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    byId('to-end').hidden = this.#atEnd;
    if (scrollTop < 2 * NEAR) {
      this.#older();
    }
    if (this.#atEnd && this.#chat) {
      this.#markRead(this.#chat);
    }
  }

  #older() {
    if (this.#chat) {
      this.#chats.older(this.#chat).catch(this.#tell);
    }
  }

  // What has been on a screen that somebody looks at, for a moment, is read.
  #markRead(chat) {
    if (this.#seen || document.hidden || !this.#atEnd || !chat.current || chat.seq <= chat.read) {
      return;
    }
    this.#seen = setTimeout(() => {
      this.#seen = 0;
      if (chat === this.#chat && !document.hidden && this.#atEnd) {
        this.#chats.markRead(chat);
      }
    }, SEEN);
  }

  // --- typing and sending

  #input() {
    this.#grow();
    if (this.#chat && this.#text.value && Date.now() - this.#typed > TYPING) {
      this.#typed = Date.now();
      this.#chats.typing(this.#chat);
    }
  }

  #grow() {
    this.#text.style.height = 'auto';
    this.#text.style.height = `${Math.min(160, this.#text.scrollHeight)}px`;
  }

  #textKey(event) {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === 'Escape' && this.#about) {
      this.#turnTo(null);
    } else if (event.key === 'ArrowUp' && !this.#text.value && !this.#about) {
      event.preventDefault();
      this.#editLast();
    }
  }

  #submit() {
    const text = this.#text.value.trim();
    const chat = this.#chat;
    if (!text || !chat) {
      return;
    }
    try {
      const [content, head] = this.#composed(write(text));
      this.#atEnd = true;
      this.#chats.send(chat, content, head);
    } catch (error) {
      this.#tell(error, 'send');
      return;
    }
    this.#text.value = '';
    this.#typed = 0;
    this.#turnTo(null);
    this.#text.focus();
  }

  // The content and head of what is typed: an answer begins with a quotation, an edit keeps it.
  #composed(typed) {
    const { kind, line } = this.#about ?? {};
    if (kind === 'reply') {
      const name = line.from === this.#chats.user ? this.#myName : this.#chat.memberName(line.from);
      const quote = joined(quotation(line.from, name, line.content), write('\n'));
      return [joined(quote, typed), { reply: String(line.seq) }];
    }
    if (kind === 'edit') {
      const quote = leadingQuotation(line.content);
      const reply = line.head?.reply ? { reply: line.head.reply } : {};
      return [quote ? joined(joined(quote, write('\n')), typed) : typed, { replace: `:${line.seq}`, ...reply }];
    }
    return [typed, {}];
  }

  get #myName() {
    return this.#chat.memberName(this.#chats.user) || 'You';
  }

  async #attach() {
    const input = byId('file');
    const [file] = input.files;
    input.value = '';
    await this.#sendPicture(file);
  }

  #paste(event) {
    const file = [...event.clipboardData.files].find(file => file.type.startsWith('image/'));
    if (file) {
      event.preventDefault();
      this.#sendPicture(file);
    }
  }

  async #sendPicture(file) {
    const chat = this.#chat;
    const answer = file && chat && (await askCaption(file));
    if (!answer) {
      return;
    }
    try {
      const { data, attachments } = await this.#files.picture(file);
      this.#atEnd = true;
      this.#chats.send(chat, picture(data, answer.caption), {}, attachments);
    } catch (error) {
      this.#tell(error, 'send');
    }
  }

  // --- about a message

  #entries(line) {
    const chat = this.#chat;
    const mine = line.from === this.#chats.user;
    const entries = [];
    if (chat.may('W')) {
      entries.push(['Reply', () => this.#turnTo({ kind: 'reply', line })]);
      if (mine && isText(line.content)) {
        entries.push(['Edit', () => this.#turnTo({ kind: 'edit', line })]);
      }
    }
    entries.push(['Delete for me', () => this.#delete(line, false)]);
    const age = (Date.now() - new Date(line.ts)) / 1000;
    const limit = this.#session.server.msgDelAge ?? Infinity;
    if (chat.may('O') || (mine && chat.may('D') && age < limit)) {
      entries.push(['Delete for everyone', () => this.#delete(line, true)]);
    }
    return entries;
  }

  async #delete(line, hard) {
    const whose = hard ? 'for everyone' : 'for you';
    if (await confirmed('Delete this message?', `“${summary(line.content, 60)}” will be gone ${whose}.`, 'Delete')) {
      await this.#chats.delete(this.#chat, line.seq, hard).catch(error => this.#tell(error, 'delete'));
      this.#text.focus();
    }
  }

  #turnTo(about) {
    if (this.#about?.kind === 'edit' && !about) {
      this.#text.value = '';
    }
    this.#about = about;
    byId('about').hidden = !about;
    if (about?.kind === 'edit') {
      this.#text.value = source(about.line.content).trim();
    }
    if (about) {
      const text = summary(about.line.content);
      byId('about-text').textContent = about.kind === 'edit' ? `Edit: ${text}` : `Reply to: ${text}`;
      this.#text.focus();
    }
    this.#grow();
  }

  #editLast() {
    const lines = this.#chat?.lines() ?? [];
    const last = lines.findLast(line => line.item || line.from === this.#chats.user);
    if (last && !last.item && isText(last.content)) {
      this.#turnTo({ kind: 'edit', line: last });
    }
  }

  // Up and down go from message to message, Enter opens what can be done with one.
  #lineKey(event) {
    const lines = [...byId('lines').querySelectorAll('.line')];
    const at = lines.indexOf(event.target);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: lines.length - 1 }[event.key];
    if (at < 0) {
      return;
    }
    if (event.key === 'Enter' || event.key === ' ') {
      (event.target.querySelector('.actions') ?? event.target.querySelector('button'))?.click();
    } else if (event.key === 'Escape') {
      this.#text.focus();
    } else if (to === undefined) {
      return;
    } else if (lines[to]) {
      this.#rove(lines, to);
      lines[to].focus();
    }
    event.preventDefault();
  }

  // One line is a stop of Tab, the others are reached from there.
  #rove(lines, to) {
    lines.forEach((line, at) => (line.tabIndex = at === to ? 0 : -1));
  }

  // --- about the conversation

  #menu(button) {
    const chat = this.#chat;
    const entries = [];
    if (chat.isGroup) {
      entries.push(['Members', () => showMembers(this.#chats, chat, this.#tell)]);
    }
    const ends = chat.isGroup && chat.may('O') && chat.acs.mode !== undefined;
    entries.push([ends ? 'Delete this group' : 'Leave this chat', () => this.#quit(chat, ends)]);
    openMenu(button, entries);
  }

  async #quit(chat, ends) {
    const text = ends ? 'All messages will be gone, for everyone.' : 'You will not get its messages any more.';
    if (await confirmed(`${ends ? 'Delete' : 'Leave'} ${chat.title}?`, text, ends ? 'Delete' : 'Leave')) {
      await this.#chats.quit(chat).catch(this.#tell);
    }
  }
}
