// Who we are to the server: greeting, logging in, and coming back when the connection is lost.
//
// {hi} comes first, then {login} (or {acc} for a new account). The answer to a login holds a
// token, with which the page logs in again by itself. While nobody is logged in, the
// connection waits; `state` says where we are:
//
//   connecting → door → ready        somebody has to log in
//   connecting → ready               the token is good
//   ready → connecting → ready       the connection was lost
//   door → confirm → ready           the server wants a code that it has sent by mail
//   ready → stopped                  this session was ended from elsewhere

import { Connection, Lost, Refused, base64 } from './protocol.js';

const VERSION = '0.25';
const AGENT = 'tinode-py-page/1';
const KEY = 'chat.token';
const FIRST_WAIT = 500; // ms before the first attempt to come back
const LONGEST_WAIT = 30_000;

export class Session {
  state = 'connecting';
  user = '';
  server = {}; // what {hi} told: limits, credentials that are asked for
  #connection = null;
  #address;
  #onPacket;
  #onState;
  #attempts = 0;
  #timer = 0;
  #open = null; // the credentials and the token of a login that waits for a code

  // `onPacket(kind, body)`, `onState(state, error)`; the error is why the state has changed.
  constructor(address, onPacket, onState) {
    this.#address = address;
    this.#onPacket = onPacket;
    this.#onState = onState;
    addEventListener('online', () => this.wake());
    document.addEventListener('visibilitychange', () => document.hidden || this.wake());
  }

  async start() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#become('connecting');
    try {
      const packets = (kind, body) => this.#take(kind, body);
      this.#connection = await Connection.open(this.#address, packets, () => this.#lost());
      const { params } = await this.ask('hi', { ver: VERSION, ua: AGENT, platf: 'web', lang: navigator.language });
      this.server = params;
      await this.#return();
    } catch (error) {
      const connection = this.#connection;
      this.#lost(error); // before it is closed, so that the reason is told
      connection?.close();
      if (!(error instanceof Lost || error instanceof Refused)) {
        throw error;
      }
    }
  }

  ask(kind, body, extra) {
    return this.#connection ? this.#connection.ask(kind, body, extra) : Promise.reject(new Lost('not connected'));
  }

  note(body) {
    this.#connection?.note(body);
  }

  // Log in; `stay`: also after the browser was closed.
  async login(login, password, stay) {
    this.#keeper = stay ? localStorage : sessionStorage;
    this.#enter(await this.ask('login', { scheme: 'basic', secret: base64(`${login}:${password}`) }));
  }

  // A new account. `invite` and `email` where the server asks for them.
  async register({ login, password, name, invite, email, stay }) {
    this.#keeper = stay ? localStorage : sessionStorage;
    const cred = [];
    if (invite) {
      cred.push({ meth: 'invite', resp: invite });
    }
    if (email) {
      cred.push({ meth: 'email', val: email });
    }
    const secret = base64(`${login}:${password}`);
    const desc = { public: { fn: name } };
    this.#enter(await this.ask('acc', { user: 'new', scheme: 'basic', secret, login: true, desc, cred }));
  }

  // Say the code that came by mail.
  async confirm(code) {
    const { token, method } = this.#open;
    this.#enter(await this.ask('login', { scheme: 'token', secret: token, cred: [{ meth: method, resp: code }] }));
  }

  // End this login for good: its token is void from now on.
  async logout() {
    try {
      const { sessions } = await this.ask('get', { topic: 'me', what: 'sessions' });
      const { n } = sessions.find(row => row.current);
      this.#forget();
      await this.ask('del', { topic: 'me', what: 'session', session: String(n) });
    } catch (error) {
      // It is forgotten here all the same.
    }
    this.#forget();
    this.#connection?.close();
    clearTimeout(this.#timer);
    this.#attempts = 0;
    this.user = '';
    await this.start();
  }

  // Try to come back now, if we are waiting to.
  wake() {
    if (this.#timer) {
      this.start();
    }
  }

  // Begin anew: the server has lost something that we rely on.
  reconnect() {
    this.#connection?.close();
  }

  get token() {
    return localStorage.getItem(KEY) ?? sessionStorage.getItem(KEY);
  }

  #keeper = localStorage;

  #forget() {
    localStorage.removeItem(KEY);
    sessionStorage.removeItem(KEY);
  }

  async #return() {
    if (!this.token) {
      this.#become('door');
      return;
    }
    this.#keeper = localStorage.getItem(KEY) ? localStorage : sessionStorage;
    try {
      this.#enter(await this.ask('login', { scheme: 'token', secret: this.token }));
    } catch (error) {
      if (!(error instanceof Refused) || error.code >= 500) {
        throw error; // not the token's fault: try again later
      }
      if (error.code === 423) {
        this.#stop(error);
        return;
      }
      this.#forget();
      this.#become('door', error);
    }
  }

  #enter({ code, params }) {
    if (code === 300 && !params.cred) {
      throw new Refused({ code: 501, text: 'challenge' });
    }
    if (code === 300) {
      this.#open = { token: params.token, method: params.cred[0] };
      this.#become('confirm');
      return;
    }
    this.#open = null;
    this.#forget();
    this.#keeper.setItem(KEY, params.token);
    this.user = params.user;
    this.#attempts = 0;
    this.#become('ready');
  }

  #take(kind, body) {
    if (kind === 'ctrl' && body.text === 'evicted' && !body.topic && this.state === 'ready' && this.token) {
      this.#stop(new Refused(body));
      return;
    }
    this.#onPacket(kind, body);
  }

  // Over, and not to be resumed: two windows would end each other for ever.
  #stop(error) {
    this.#become('stopped', error);
    this.#connection?.close();
  }

  #lost(error = null) {
    this.#connection = null;
    if (this.#timer || this.state === 'stopped') {
      return;
    }
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempts++);
    this.#timer = setTimeout(() => this.start(), wait * (0.7 + 0.6 * Math.random()));
    this.#become('connecting', error);
  }

  #become(state, error = null) {
    this.state = state;
    this.#onState(state, error);
  }
}
