// The operators' page: live figures, users and their logins, topics and their members.
//
// Everything goes through the business API with the token of an account that is root; the page
// can do nothing that the API does not let its owner do. The token lives as long as the window.

import { Api, Problem, endToken, rootToken } from './api.js';
import { nameOf } from './chat.js';
import { askName, confirmed } from './dialogs.js';
import { byId, h } from './dom.js';
import { Plot } from './plot.js';
import { Lost, Refused } from './protocol.js';
import { brief, inWords } from './words.js';

const KEY = 'admin.token';
const STEP = 2_000; // ms between two looks at the figures
const ROWS = 50;
const FIGURES = { sessions: 'Sessions', users: 'Users online', topics: 'Topics loaded', rooms: 'Rooms', dropped: 'Notices dropped' };

class Office {
  #api = null;
  #timer = 0;
  #turn = 0; // counts views, so that a late answer does not show in another one
  #plots = null;

  constructor({ apikey }) {
    this.apikey = apikey;
    byId('login').addEventListener('submit', event => this.#enter(event));
    byId('log-out').addEventListener('click', () => this.#leave());
    addEventListener('hashchange', () => this.show());
    addEventListener('visibilitychange', () => this.#watch());
  }

  // --- coming and going

  start() {
    const token = sessionStorage.getItem(KEY);
    this.#api = token ? new Api(token) : null;
    byId('door').hidden = Boolean(token);
    byId('office').hidden = !token;
    if (token) {
      this.#plots = Object.fromEntries(Object.entries(FIGURES).map(([key, name]) => [key, new Plot(name)]));
      this.show();
      this.#watch();
    } else {
      clearTimeout(this.#timer);
      byId('view').replaceChildren();
      byId('login').elements.login.focus();
    }
  }

  async #enter(event) {
    event.preventDefault();
    const { login, password } = byId('login').elements;
    try {
      say('door-error', '');
      sessionStorage.setItem(KEY, await rootToken(this.apikey, login.value.trim(), password.value));
      password.value = '';
      this.start();
    } catch (error) {
      say('door-error', inWords(error, 'login'));
    }
  }

  async #leave() {
    const token = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    this.start();
    await endToken(this.apikey, token).catch(error => this.#tell(error));
  }

  #tell(error) {
    if (error instanceof Problem && error.status === 401 && this.#api) {
      sessionStorage.removeItem(KEY);
      this.start();
      say('door-error', 'You are not logged in any more.');
      return;
    }
    const known = error instanceof Refused || error instanceof Lost;
    const toast = byId('alert');
    (document.querySelector('dialog[open]') ?? document.body).append(toast);
    say('alert', known ? inWords(error) : error.message);
    clearTimeout(this.toast);
    this.toast = setTimeout(() => say('alert', ''), 6_000);
  }

  // --- views

  // What the address names: `#/`, `#/users`, `#/users/usr…`, `#/topics`, `#/topics/grp…`,
  // `#/audit`.
  async show() {
    if (!this.#api) {
      return;
    }
    const turn = (this.#turn += 1);
    const [part = '', name = ''] = location.hash.slice(2).split('/').map(word => encodeURIComponent(decoded(word)));
    for (const link of document.querySelectorAll('#office nav a')) {
      link.toggleAttribute('aria-current', link.getAttribute('href') === `#/${part}`);
      if (link.hasAttribute('aria-current')) {
        link.setAttribute('aria-current', 'page');
      }
    }
    const views = { users: name ? () => this.#user(name) : () => this.#users(), topics: name ? () => this.#topic(name) : () => this.#topics(), audit: () => this.#audit() };
    try {
      const content = await (Object.hasOwn(views, part) ? views[part]() : this.#now());
      if (turn === this.#turn) {
        byId('view').replaceChildren(...content);
      }
    } catch (error) {
      if (turn === this.#turn) {
        byId('view').replaceChildren(h('p', { class: 'hint' }, error.message));
      }
      this.#tell(error);
    }
  }

  #now() {
    const tiles = h('div', { class: 'tiles' }, Object.values(this.#plots).map(plot => plot.element));
    return [h('h2', {}, 'Now'), tiles, h('p', { class: 'hint', id: 'build' }, this.build ?? '')];
  }

  // The figures go on while one looks at something else, but not while nobody looks.
  async #watch() {
    clearTimeout(this.#timer);
    if (!this.#api || document.hidden) {
      return;
    }
    try {
      const state = await this.#api.get('/v1/server');
      for (const [key, plot] of Object.entries(this.#plots)) {
        plot.add(state[key]);
      }
      this.build = `${state.build}, protocol ${state.protocol}`;
      if (byId('build')) {
        byId('build').textContent = this.build;
      }
    } catch (error) {
      this.#tell(error);
    }
    clearTimeout(this.#timer);
    this.#timer = this.#api ? setTimeout(() => this.#watch(), STEP) : 0;
  }

  // --- users

  async #users() {
    const body = h('tbody');
    const row = user => h('tr', {},
      h('td', {}, h('a', { href: `#/users/${user.id}` }, h('bdi', {}, nameOf(user.public, user.id)))),
      h('td', {}, user.tags.join(', ')),
      h('td', {}, STATES[user.state] ?? user.state),
      h('td', {}, user.online ? 'online' : seen(user.seen)));
    const more = await this.#pages('/v1/users', body, row);
    return [h('h2', {}, 'Users'), this.#finder(body), table(['Name', 'Tags', 'State', 'Seen'], body), more];
  }

  #finder(body) {
    const input = h('input', { type: 'search', 'aria-label': 'Login, or a tag such as email:…', placeholder: 'Login, or a tag such as email:…', autocomplete: 'off', autocapitalize: 'none' });
    const find = async event => {
      event.preventDefault();
      const word = input.value.trim();
      if (!word) {
        this.show();
        return;
      }
      const query = word.includes(':') ? word : `basic:${word},alias:${word}`;
      const { items } = await this.#api.get('/v1/search', { query });
      const found = items.filter(({ user }) => user).map(({ user, public: description, tags }) => h('tr', {},
        h('td', {}, h('a', { href: `#/users/${user}` }, h('bdi', {}, nameOf(description, user)))),
        h('td', {}, tags.join(', ')), h('td'), h('td')));
      body.replaceChildren(...(found.length ? found : [h('tr', {}, h('td', { colspan: '4' }, 'Nobody is found by that.'))]));
      document.querySelector('.more')?.remove();
    };
    return h('form', { class: 'finder', role: 'search', onsubmit: event => find(event).catch(error => this.#tell(error)) }, input, h('button', { type: 'submit', class: 'main' }, 'Find'));
  }

  async #user(id) {
    const path = `/v1/users/${id}`;
    const [user, { devices }, { items: logins }] = await Promise.all(
      [path, `${path}/online`, `${path}/sessions`].map(part => this.#api.get(part)));
    const name = nameOf(user.public, user.id);
    const suspended = user.state === 'susp';
    const deeds = [
      suspended
        ? this.#deed('Let in again', `${name} may log in again.`, 'PATCH', path, { state: 'ok' })
        : this.#deed('Suspend', `${name} is thrown out and may not log in.`, 'PATCH', path, { state: 'susp' }),
      devices.length > 0 && this.#offline(name, path),
      this.#deed('Delete', `${name} is deleted, with the groups that he owns. This cannot be undone.`, 'DELETE', path),
    ];
    const login = row => h('tr', {},
      h('td', { class: 'number' }, String(row.number)), h('td', {}, row.user_agent || '–'), h('td', {}, row.platform || '–'),
      h('td', {}, row.revoked ? 'ended' : row.live ? 'online' : seen(row.seen)),
      h('td', {}, !row.revoked && this.#deed('End', `Login ${row.number} of ${name} is void.`, 'DELETE', `${path}/sessions/${row.number}`)));
    return [
      h('h2', {}, h('bdi', {}, name)),
      facts({ Id: user.id, State: STATES[user.state] ?? user.state, Tags: user.tags.join(', ') || '–', Made: brief(user.created), Online: devices.length ? `on ${devices.length} connection(s)` : `no, ${seen(user.seen)}` }),
      h('div', { class: 'deeds' }, deeds),
      h('h3', {}, 'Logins'),
      table(['#Number', 'Client', 'Platform', 'Seen', ''], h('tbody', {}, logins.map(login))),
    ];
  }

  #offline(name, path) {
    const work = async () => {
      const reason = await askName(`End the sessions of ${name}`, 'Why? His clients are told.', 'by the operator');
      if (reason) {
        await this.#api.ask('POST', `${path}/offline`, { reason, revoke: true });
        await this.show();
      }
    };
    return h('button', { type: 'button', class: 'plain', onclick: () => work().catch(error => this.#tell(error)) }, 'End all sessions');
  }

  // --- topics

  async #topics() {
    const body = h('tbody');
    const row = topic => h('tr', {},
      h('td', {}, h('a', { href: `#/topics/${topic.name}` }, h('bdi', {}, nameOf(topic.public, topic.name)))),
      h('td', {}, topic.kind), number(topic.members), number(topic.online), number(topic.seq),
      h('td', {}, topic.touched ? brief(topic.touched) : '–'));
    const more = await this.#pages('/v1/topics', body, row);
    return [h('h2', {}, 'Topics'), table(['Name', 'Kind', '#Members', '#Online', '#Messages', 'Last message'], body), more];
  }

  async #topic(name) {
    const path = `/v1/topics/${name}`;
    const [topic] = await Promise.all([this.#api.get(path)]);
    const body = h('tbody');
    const remove = user => topic.kind !== 'p2p' && user !== topic.owner && this.#deed('Remove', `${user} is no member any more.`, 'DELETE', `${path}/members/${user}`);
    const row = member => h('tr', {},
      h('td', {}, h('a', { href: `#/users/${member.user}` }, member.user)), h('td', {}, member.mode), number(member.read),
      h('td', {}, member.online ? 'online' : '–'), h('td', {}, remove(member.user)));
    const more = await this.#pages(`${path}/members`, body, row);
    const title = nameOf(topic.public, topic.name);
    return [
      h('h2', {}, h('bdi', {}, title)),
      facts({ Name: topic.name, Kind: topic.kind, Owner: topic.owner || '–', Made: brief(topic.created), Messages: topic.seq, Members: topic.members, Online: topic.online }),
      h('div', { class: 'deeds' }, this.#deed('Delete', `${title} is deleted for all, with its messages. This cannot be undone.`, 'DELETE', path)),
      h('h3', {}, 'Members'),
      table(['User', 'Mode', '#Read', 'Online', ''], body), more,
    ];
  }

  // --- audit

  async #audit() {
    const body = h('tbody');
    const row = deed => h('tr', {},
      h('td', {}, brief(deed.time)), h('td', {}, DOORS[deed.door] ?? deed.door), h('td', {}, named(deed.actor)),
      h('td', {}, h('bdi', {}, deed.origin || '–')), h('td', {}, deed.action), h('td', {}, named(deed.target)),
      h('td', {}, h('bdi', {}, deed.detail ? JSON.stringify(deed.detail) : '–')));
    const more = await this.#pages('/v1/audit', body, row);
    return [h('h2', {}, 'Audit'), table(['Time', 'By', 'Who', 'From', 'Action', 'On', 'More'], body), more];
  }

  // --- parts

  // Rows of a list, page by page: the first now, a button for the next, or nothing.
  async #pages(path, body, row) {
    const fetchFrom = async after => {
      const { items, next } = await this.#api.get(path, { after, limit: ROWS });
      body.append(...items.map(row));
      button.hidden = !next;
      button.onclick = () => fetchFrom(next).catch(error => this.#tell(error));
    };
    const button = h('button', { type: 'button', class: 'plain more' }, 'More');
    await fetchFrom('');
    return button;
  }

  // Something that is asked back before it is done.
  #deed(label, consequence, method, path, body) {
    const work = async () => {
      if (await confirmed(`${label}?`, consequence, label)) {
        await this.#api.ask(method, path, body);
        if (method === 'DELETE' && path.split('/').length === 4) {
          location.hash = `#/${path.split('/')[2]}`; // it is gone: back to the list
        } else {
          await this.show();
        }
      }
    };
    return h('button', { type: 'button', class: 'plain', onclick: () => work().catch(error => this.#tell(error)) }, label);
  }
}

const STATES = { __proto__: null, ok: 'active', susp: 'suspended', del: 'deleted' };

const DOORS = { __proto__: null, root: 'root session', key: 'API key', token: 'root over the API', page: 'this page', command: 'command', offline: 'command, server stopped' };

// A user or a group as a link, anything else as it is.
function named(name) {
  const part = name.startsWith('usr') ? 'users' : /^(grp|p2p)/.test(name) && 'topics';
  return part ? h('a', { href: `#/${part}/${name}` }, name) : name || '–';
}

function seen(moment) {
  return moment ? brief(moment) : 'never';
}

function number(value) {
  return h('td', { class: 'number' }, value.toLocaleString());
}

function facts(pairs) {
  return h('dl', { class: 'facts' }, Object.entries(pairs).map(([name, value]) => [h('dt', {}, name), h('dd', {}, String(value))]));
}

// A table; heads that begin with # stand over numbers.
function table(heads, body) {
  const head = name => h('th', { scope: 'col', class: name.startsWith('#') && 'number' }, name.replace('#', '') || h('span', { class: 'unseen' }, 'Actions'));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table' }, h('table', {}, h('thead', {}, h('tr', {}, heads.map(head))), body));
}

function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch {
    return '';
  }
}

function say(place, text) {
  byId(place).textContent = text;
  byId(place).hidden = !text;
}

const answer = await fetch('server.json');
new Office(await answer.json()).start();
