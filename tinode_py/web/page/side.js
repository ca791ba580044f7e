// The list of chats, and looking for people.

import { nameOf } from './chat.js';
import { askGroup, askName } from './dialogs.js';
import { byId, face, h, icon, keyed, openMenu } from './dom.js';
import { brief, lastSeen } from './words.js';

const PAUSE = 300; // ms after a key before the server is asked

export class Side {
  #session;
  #chats;
  #tell;
  #input = byId('search').elements.words;
  #found = null; // what the server has found for what is typed; null: nothing was asked
  #timer = 0;

  constructor(session, chats, tell) {
    this.#session = session;
    this.#chats = chats;
    this.#tell = tell;
    byId('new-group').append(icon('plus'));
    byId('my-menu').append(icon('more'));
    byId('new-group').addEventListener('click', () => this.#createGroup());
    byId('my-menu').addEventListener('click', event => this.#menu(event.currentTarget));
    byId('search').addEventListener('submit', event => (event.preventDefault(), this.#find()));
    this.#input.addEventListener('input', () => this.#typed());
    byId('side').addEventListener('keydown', event => this.#key(event));
  }

  draw(topic) {
    const { me, user, contacts } = this.#chats;
    const name = nameOf(me.public, user);
    byId('my-name').textContent = name;
    byId('my-face').replaceChildren(face(user, name, me.public));
    const words = this.#words;
    const shown = contacts.filter(chat => chat.title.toLowerCase().includes(words.toLowerCase()));
    keyed(byId('chats'), shown.map(chat => this.#row(chat, chat.name === topic)));
    const found = (this.#found ?? []).filter(({ name }) => !shown.some(chat => chat.name === name));
    keyed(byId('found'), found.map(row => this.#stranger(row, row.name === topic)));
    byId('found-title').hidden = !found.length;
    const nothing = this.#found && !found.length && !shown.length;
    byId('nothing').hidden = !nothing && (shown.length > 0 || Boolean(words));
    byId('nothing').textContent = nothing ? 'Nobody is found by that.' : 'No chats yet. Find somebody by login.';
  }

  // Somebody was chosen: the search is over.
  clear() {
    this.#input.value = '';
    this.#typed();
  }

  // The link of a chat, or the first field.
  focus(topic) {
    const link = topic && document.querySelector(`#side a[href="#/${topic}"]`);
    (link || this.#input).focus();
  }

  get #words() {
    return this.#input.value.trim();
  }

  #row(chat, here) {
    const { name, title, unread, online, touched } = chat;
    const when = touched ? brief(touched) : '';
    const state = stateOf(chat);
    const make = () => h('li', {},
      h('a', { href: `#/${name}`, 'aria-current': here && 'page' },
        face(name, title, chat.public, online && !chat.isGroup),
        h('span', { class: 'names' }, h('bdi', { class: 'name' }, title), h('span', { class: 'sub' }, state)),
        h('span', { class: 'right' },
          h('span', { class: 'sub' }, when),
          unread > 0 && h('span', { class: 'badge' }, String(unread), h('span', { class: 'unseen' }, ' unread')))));
    return [name, JSON.stringify([title, chat.public?.photo?.data?.length, unread, online, when, state, here]), make];
  }

  #stranger({ name, title, public: description }, here) {
    const make = () => h('li', {},
      h('a', { href: `#/${name}`, 'aria-current': here && 'page' },
        face(name, title, description),
        h('span', { class: 'names' }, h('bdi', { class: 'name' }, title),
          h('span', { class: 'sub' }, name.startsWith('usr') ? 'Not talked to yet' : 'Group'))));
    return [name, JSON.stringify([title, here]), make];
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#found = null;
    this.draw(this.#chats.open?.name);
    if (this.#words.length > 1) {
      this.#timer = setTimeout(() => this.#find(), PAUSE);
    }
  }

  async #find() {
    clearTimeout(this.#timer);
    const words = this.#words;
    if (!words) {
      return;
    }
    try {
      const found = await this.#chats.find(words);
      if (words === this.#words) {
        this.#found = found;
        this.draw(this.#chats.open?.name);
      }
    } catch (error) {
      this.#tell(error);
    }
  }

  // Up and down go from link to link, Escape empties the search.
  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      const stops = [this.#input, ...byId('side').querySelectorAll('li a')];
      const at = stops.indexOf(document.activeElement);
      stops[Math.max(0, Math.min(stops.length - 1, at + step))].focus();
      event.preventDefault();
    } else if (event.key === 'Escape' && this.#input.value) {
      this.clear();
      this.#input.focus();
    }
  }

  #menu(button) {
    openMenu(button, [
      ['Change my name', () => this.#rename()],
      ['Log out', () => this.#session.logout()],
    ]);
  }

  async #rename() {
    const name = await askName('Change my name', 'Your name', nameOf(this.#chats.me.public, ''));
    if (name) {
      await this.#chats.rename(name).catch(this.#tell);
    }
  }

  async #createGroup() {
    const title = await askGroup();
    if (!title) {
      return;
    }
    try {
      location.hash = `#/${await this.#chats.createGroup(title)}`;
    } catch (error) {
      this.#tell(error);
    }
  }
}

// One line about a conversation.
export function stateOf(chat) {
  const typing = chat.typing();
  if (typing.length) {
    return chat.isGroup ? `${typing.map(user => chat.memberName(user)).join(', ')} typing…` : 'typing…';
  }
  if (chat.name === 'slf') {
    return 'Notes to yourself';
  }
  if (chat.isGroup) {
    const count = (chat.attached && chat.members.size) || chat.subcnt || chat.members.size;
    return count === 1 ? '1 member' : `${count} members`;
  }
  return chat.online ? 'online' : lastSeen(chat.seen);
}
