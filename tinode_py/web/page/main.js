// The page put together: the address of the server, who we are, what is on the screen.
//
// What is shown follows from the session's state and the address: `#/usr…` is a conversation,
// `#/` the list alone. Views draw all they show from the state, at most once a frame; an
// element stays where nothing has changed.

import { nameOf } from './chat.js';
import { Chats } from './chats.js';
import { summary } from './drafty.js';
import { byId } from './dom.js';
import { Door } from './door.js';
import { Files } from './files.js';
import { Lost, Refused } from './protocol.js';
import { Session } from './session.js';
import { Side } from './side.js';
import { Talk } from './talk.js';
import { inWords } from './words.js';

const TOPIC = /^#\/((?:usr|grp|chn)[\w-]{11}|slf)$/;
const BRIEF = 400; // ms of an interruption that is not worth a word
const SHOWN = 6_000; // ms that an error stays

class Page {
  constructor(about) {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const address = `${scheme}://${location.host}/v0/channels?apikey=${encodeURIComponent(about.apikey)}`;
    this.session = new Session(address, (kind, body) => this.chats.take(kind, body), (...news) => this.become(...news));
    this.chats = new Chats(this.session, (...news) => this.changed(...news));
    const tell = (error, doing) => this.tell(error, doing);
    this.door = new Door(this.session);
    this.side = new Side(this.session, this.chats, tell);
    this.talk = new Talk(this.session, this.chats, new Files(about, this.session), tell);
    addEventListener('hashchange', () => this.go());
    document.addEventListener('visibilitychange', () => this.changed());
    addEventListener('beforeunload', event => this.unsent && event.preventDefault());
    byId('go-on').addEventListener('click', () => this.session.start());
  }

  get topic() {
    return TOPIC.exec(location.hash)?.[1] ?? '';
  }

  get unsent() {
    return [...this.chats.all.values()].some(chat => chat.pending.length);
  }

  // --- what happens

  become(state, error) {
    const inside = Boolean(this.session.user);
    if (state === 'ready') {
      this.begin();
    } else if (state === 'connecting' || state === 'stopped') {
      this.chats.lose();
    } else {
      this.chats.all.clear();
      this.chats.open = null;
      this.talk.forget();
    }
    this.door.show(state, error);
    byId('rooms').hidden = state === 'door' || state === 'confirm' || !(inside || state === 'ready');
    this.announceConnection(state, error);
  }

  async begin() {
    try {
      await this.chats.begin();
      if (this.chats.open?.name !== this.topic) {
        await this.go();
      }
    } catch (error) {
      this.tell(error, 'enter');
    }
  }

  announceConnection(state, error) {
    clearTimeout(this.late);
    const say = text => {
      byId('connection-text').textContent = text;
      byId('connection').hidden = !text;
    };
    byId('go-on').hidden = state !== 'stopped';
    if (state === 'stopped') {
      say(error.code === 423 ? inWords(error) : 'This session was ended from elsewhere.');
    } else if (state === 'connecting') {
      const why = error instanceof Refused ? `${inWords(error)} ` : '';
      this.late = setTimeout(() => say(`${why}Connecting…`), BRIEF);
    } else {
      say('');
    }
  }

  // Follow the address.
  async go() {
    if (this.session.state !== 'ready') {
      return;
    }
    try {
      const before = this.chats.open;
      if (this.topic) {
        this.side.clear();
        await this.talk.enter(this.topic);
      } else {
        await this.chats.exit();
        this.changed();
        this.side.focus(before?.name);
      }
    } catch (error) {
      this.tell(error, 'enter');
    }
  }

  changed(topic = '', data = null) {
    if (topic && !this.chats.all.has(topic) && topic === this.topic) {
      location.hash = '#/'; // the conversation on the screen is gone
    }
    if (topic && this.chats.all.has(topic)) {
      this.announce(this.chats.all.get(topic), data);
    }
    this.frame ||= requestAnimationFrame(() => this.draw());
    // A hidden page gets no frames.
    this.timer ||= setTimeout(() => this.draw(), 300);
  }

  draw() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = this.timer = 0;
    if (byId('rooms').hidden) {
      return;
    }
    byId('rooms').classList.toggle('talking', Boolean(this.topic));
    this.side.draw(this.topic);
    this.talk.draw();
    const unread = this.chats.contacts.reduce((sum, chat) => sum + chat.unread, 0);
    const title = this.chats.open ? this.chats.open.title : nameOf(this.chats.me.public, 'Chat');
    document.title = unread ? `(${unread}) ${title}` : title;
  }

  // For those who do not see it.
  announce(chat, data) {
    const who = data ? chat.memberName(data.from) : chat.title;
    byId('said').textContent = data ? `${who}: ${summary(data.content)}` : `New message from ${who}`;
  }

  // An error, in words, for a while.
  tell(error, doing) {
    if (error instanceof Lost && this.session.state !== 'ready') {
      return; // the banner says so
    }
    const toast = byId('alert');
    (document.querySelector('dialog[open]') ?? document.body).append(toast); // not behind it
    clearTimeout(this.toast);
    toast.textContent = inWords(error, doing);
    toast.hidden = false;
    this.toast = setTimeout(() => (toast.hidden = true), SHOWN);
    this.changed();
  }
}

const answer = await fetch('server.json');
const page = new Page(await answer.json());
await page.session.start();
