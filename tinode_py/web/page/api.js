// The business API with root's login token: JSON over HTTP, errors as problem details.

import { Connection, Refused, base64 } from './protocol.js';

// The API's no: `status` as in HTTP, the message says what was wrong.
export class Problem extends Error {
  constructor(status, { title = '', detail = '' }) {
    super(detail || title || `The server answered ${status}.`);
    this.status = status;
  }
}

export class Api {
  #token;

  constructor(token) {
    this.#token = token;
  }

  async ask(method, path, body) {
    const headers = { Authorization: `Bearer ${this.#token}`, 'Tinode-Page': 'admin' };
    if (body !== undefined) {
      headers['Content-Type'] = 'application/json';
    }
    const answer = await fetch(path, { method, headers, body: JSON.stringify(body) });
    const found = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) {
      throw new Problem(answer.status, found);
    }
    return found;
  }

  get(path, query = {}) {
    const words = new URLSearchParams(query).toString();
    return this.ask('GET', words ? `${path}?${words}` : path);
  }
}

// A token for an operator: he logs in as on any client, and must be root.
export async function rootToken(apikey, login, password) {
  const proof = { scheme: 'basic', secret: base64(`${login}:${password}`) };
  return withSession(apikey, proof, async (ask, { authlvl, token }) => {
    if (authlvl !== 'root') {
      await endOwn(ask);
      throw new Error('This account is no operator. The command “tinode-py user root” makes it one.');
    }
    return token;
  });
}

// Make a token void.
export async function endToken(apikey, token) {
  return withSession(apikey, { scheme: 'token', secret: token }, endOwn);
}

async function endOwn(ask) {
  await ask('sub', { topic: 'me' });
  const { sessions } = await ask('get', { topic: 'me', what: 'sessions' });
  const { n } = sessions.find(row => row.current);
  await ask('del', { topic: 'me', what: 'session', session: String(n) });
}

async function withSession(apikey, proof, work) {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const address = `${scheme}://${location.host}/v0/channels?apikey=${encodeURIComponent(apikey)}`;
  const connection = await Connection.open(address, () => {}, () => {});
  try {
    const ask = (kind, body) => connection.ask(kind, body);
    await ask('hi', { ver: '0.25', ua: 'tinode-py-admin/1', platf: 'web' });
    const { code, text, params } = await ask('login', proof);
    if (code >= 300) {
      throw new Refused({ code, text });
    }
    return await work(ask, params);
  } finally {
    connection.close();
  }
}
